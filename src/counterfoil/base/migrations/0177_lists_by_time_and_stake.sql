-- Lists that are sorted: those that grow with every payment, event and difference are read along an index, page by page.
create index intent_by_time on intent (created_at, id);
create index webhook_delivery_by_time on webhook_delivery (created_at, id);
create index destination_by_payee on destination (payee_id, id);
create index break_by_stake on break (asset, at_stake, id);
create index break_by_due on break (due_on, id);
create index break_by_time on break (opened_at, id);
create index destination_by_time on destination (created_at, id);
