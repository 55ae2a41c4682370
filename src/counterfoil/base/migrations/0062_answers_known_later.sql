-- 0056 fixed the answer of an idempotency key with its row. Work that takes its key first has its answer later: it is written then, once,
-- in the place of the mark that it was begun (see base/idempotency.py).
comment on column idempotency.answer is 'auditor: none';
create trigger idempotency_once_answer before update of answer on idempotency for each row
    when (old.answer is distinct from '{"begun": true}'::jsonb and new.answer is distinct from old.answer)
    execute function refuse_another_value('answer');
