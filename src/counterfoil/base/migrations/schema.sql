-- The schema that the migrations add up to. Written by `make schema`, compared by a test, never run.

-- columns
access_attempt: bucket text not null
access_attempt: began_at timestamp with time zone not null
access_attempt: failures integer not null
access_attempt: rounds integer not null default 0
access_event: id text not null
access_event: at timestamp with time zone not null
access_event: kind text not null
access_event: name text not null
access_event: principal_id text
access_event: api_key_id text
access_event: address text not null
access_event: method text not null
access_event: path text not null
access_event: needs text
access_event: request_id text not null
account: id bigint not null
account: debits bigint not null default 0
account: credits bigint not null default 0
account: debits_pending bigint not null default 0
account: credits_pending bigint not null default 0
account: last_seq bigint not null default 0
account: book_id integer not null
account: debit_normal boolean not null
account: no_overdraft boolean not null
account: frozen boolean not null default false
account: closed boolean not null default false
account: opened_at timestamp with time zone not null
account: name text not null
account: opened_by text not null
account_flag: account_id bigint not null
account_flag: step integer not null
account_flag: flag text not null
account_flag: value boolean not null
account_flag: actor text not null
account_flag: reason text not null
account_flag: at timestamp with time zone not null
account_flag: written_by xid8 not null default pg_current_xact_id()
account_guard: account_id bigint not null
account_guard: no_overdraft boolean not null
account_guard: written_by xid8 not null default pg_current_xact_id()
action: id text not null
action: actor text not null
action: role text not null
action: verb text not null
action: subject_id text not null
action: reason text
action: request_id text not null
action: payload jsonb not null
action: at timestamp with time zone not null
action: written_by xid8 not null default pg_current_xact_id()
action_origin: action_id text not null
action_origin: principal_id text not null
action_origin: api_key_id text
action_origin: address text not null
affiliate: id text not null
affiliate: program_id text not null
affiliate: name text not null
affiliate: parent_id text
affiliate: created_at timestamp with time zone not null
affiliate: state text not null
affiliate: state_at timestamp with time zone not null
affiliate: steps integer not null default 1
affiliate: due_at timestamp with time zone
affiliate: attempt integer not null default 0
affiliate: lease_owner text
affiliate: lease_until timestamp with time zone
affiliate: fence bigint not null default 0
affiliate: last_error text
affiliate_placement: affiliate_id text not null
affiliate_placement: number integer not null
affiliate_placement: program_id text not null
affiliate_placement: parent_id text
affiliate_placement: actor text not null
affiliate_placement: reason text not null
affiliate_placement: at timestamp with time zone not null
agent: id text not null
agent: program_id text not null
agent: name text not null
agent: created_at timestamp with time zone not null
agent: created_by text not null
agent: state text not null
agent: state_at timestamp with time zone not null
agent: steps integer not null default 1
agent_mandate: id text not null
agent_mandate: agent_id text not null
agent_mandate: program_id text not null
agent_mandate: number integer not null
agent_mandate: asset text not null
agent_mandate: counterparty_id text
agent_mandate: towards text not null
agent_mandate: per_transaction bigint
agent_mandate: per_hour bigint
agent_mandate: per_day bigint
agent_mandate: per_week bigint
agent_mandate: per_month bigint
agent_mandate: expires_at timestamp with time zone
agent_mandate: revoked boolean not null
agent_mandate: actor text not null
agent_mandate: reason text not null
agent_mandate: at timestamp with time zone not null
alert: id text not null
alert: program_id text not null
alert: code text not null
alert: subject text not null
alert: period text not null default ''::text
alert: severity text not null
alert: times integer not null default 1
alert: first_seen_at timestamp with time zone not null
alert: last_seen_at timestamp with time zone not null
alert: first_run text
alert: last_run text
alert: gone_run text
alert: owner text
alert: evidence jsonb not null
alert: first_evidence jsonb not null
alert: rest integer not null default 0
alert: previous text
alert: incident_id text
alert: extent text not null
alert: escalated_to text not null
alert: respond_by timestamp with time zone
alert: snoozed_until timestamp with time zone
alert: accepted_until timestamp with time zone
alert: state text not null
alert: state_at timestamp with time zone not null
alert: steps integer not null default 1
alert: due_at timestamp with time zone
alert: attempt integer not null default 0
alert: lease_owner text
alert: lease_until timestamp with time zone
alert: fence bigint not null default 0
alert: last_error text
alert: untold_since timestamp with time zone
api_key: id text not null
api_key: name text not null
api_key: role text not null
api_key: secret_hash bytea not null
api_key: hint text not null
api_key: created_by text not null
api_key: created_at timestamp with time zone not null
api_key: expires_at timestamp with time zone
api_key: revoked_at timestamp with time zone
api_key: last_used_at timestamp with time zone
api_key: principal_id text not null
api_key: program_id text
api_key: skeleton text not null
api_key: written_by xid8
api_key: scopes text[]
api_key_secret: id text not null
api_key_secret: api_key_id text not null
api_key_secret: number integer not null
api_key_secret: secret_hash bytea not null
api_key_secret: hint text not null
api_key_secret: overlap text not null
api_key_secret: before_until timestamp with time zone not null
api_key_secret: created_by text not null
api_key_secret: created_at timestamp with time zone not null
approval_decision: proposal_id text not null
approval_decision: maker_id text not null
approval_decision: payload_sha256 bytea not null
approval_decision: expires_at timestamp with time zone not null
approval_decision: decision text not null
approval_decision: checker_id text not null
approval_decision: checker text not null
approval_decision: session_id text
approval_decision: reason text not null
approval_decision: at timestamp with time zone not null
approval_decision: written_by xid8 not null default pg_current_xact_id()
approval_proposal: id text not null
approval_proposal: machine text not null
approval_proposal: subject_id text not null
approval_proposal: verb text not null
approval_proposal: program_id text
approval_proposal: payload jsonb not null
approval_proposal: payload_sha256 bytea not null
approval_proposal: reason text not null
approval_proposal: maker_id text not null
approval_proposal: maker text not null
approval_proposal: made_at timestamp with time zone not null
approval_proposal: expires_at timestamp with time zone not null
approval_proposal: written_by xid8 not null default pg_current_xact_id()
approval_use: proposal_id text not null
approval_use: machine text not null
approval_use: subject_id text not null
approval_use: verb text not null
approval_use: step integer
approval_use: result_id text
approval_use: at timestamp with time zone not null
approval_use: written_by xid8
approving_role: machine text not null
approving_role: role text not null
asset: code text not null
asset: scale smallint not null
audit_record: id text
audit_record: at timestamp with time zone
audit_record: about text
audit_record: actor text
audit_record: role text
audit_record: what text
audit_record: subject text
audit_record: outcome text
audit_record: principal_id text
audit_record: api_key_id text
audit_record: address text
audit_record: reason text
audit_record: needs text
audit_record: request_id text
backup: id text not null
backup: actor text not null
backup: slot_at timestamp with time zone
backup: started_at timestamp with time zone not null
backup: finished_at timestamp with time zone
backup: snapshot_at timestamp with time zone
backup: log_size bigint
backup: log_root bytea
backup: migration integer
backup: server_version integer
backup: key_id text
backup: bytes bigint
backup: sha256 bytea
backup: manifest_sha256 bytea
backup: error text
backup: state text not null
backup: state_at timestamp with time zone not null
backup: steps integer not null default 1
backup: kind text not null default 'dump'::text
bank_file: id text not null
bank_file: program_id text not null
bank_file: account text not null
bank_file: file_name text not null
bank_file: sha256 bytea not null
bank_file: format text not null
bank_file: records integer not null
bank_file: new integer not null
bank_file: known integer not null
bank_file: rejected jsonb
bank_file: notes text[] not null default '{}'::text[]
bank_file: actor text not null
bank_file: at timestamp with time zone not null
bank_file: rejected_count integer not null default 0
bank_file: envelope bytea
bank_line: program_id text not null
bank_line: account text not null
bank_line: key bytea not null
bank_line: asset text not null
bank_line: amount bigint not null
bank_line: booked_on date not null
bank_line: value_on date
bank_line: external_id text
bank_line: reference text
bank_line: counterparty text
bank_line: memo text
bank_line: batch text
bank_line: file_id text not null
bank_line: line integer not null
bank_line: bank_account text
bank_line: statement integer
bank_line: position bigint
bank_line: entry text
bank_line: envelope bytea
bank_line_counted: program_id text
bank_line_counted: account text
bank_line_counted: key bytea
bank_line_counted: asset text
bank_line_counted: amount bigint
bank_line_counted: booked_on date
bank_line_counted: value_on date
bank_line_counted: external_id text
bank_line_counted: reference text
bank_line_counted: counterparty text
bank_line_counted: memo text
bank_line_counted: batch text
bank_line_counted: file_id text
bank_line_counted: line integer
bank_line_counted: bank_account text
bank_line_counted: statement integer
bank_line_counted: position bigint
bank_line_counted: entry text
bank_line_counted: envelope bytea
bank_line_withdrawn: program_id text not null
bank_line_withdrawn: account text not null
bank_line_withdrawn: key bytea not null
bank_line_withdrawn: file_id text not null
bank_line_withdrawn: why text not null
bank_line_withdrawn: at timestamp with time zone not null
bank_report: id text not null
bank_report: provider text not null
bank_report: program_id text
bank_report: file_id text
bank_report: format text not null
bank_report: file_name text not null
bank_report: body bytea
bank_report: sha256 bytea not null
bank_report: told jsonb not null
bank_report: actor text not null
bank_report: at timestamp with time zone not null
bank_report: envelope bytea
bank_statement: file_id text not null
bank_statement: number integer not null
bank_statement: bank_account text
bank_statement: statement_id text
bank_statement: sequence integer
bank_statement: page integer
bank_statement: asset text not null
bank_statement: opening bigint
bank_statement: closing bigint
bank_statement: opening_on date
bank_statement: closing_on date
bank_statement: entries integer not null
bank_statement: total bigint not null
bank_statement: line integer not null
book: id integer not null identity
book: program_id text not null
book: asset text not null
break: id text not null
break: program_id text not null
break: source text not null
break: identity text not null
break: kind text not null
break: severity text not null
break: asset text not null
break: at_stake bigint not null
break: difference bigint
break: cause text not null
break: record_id text not null
break: reference text not null
break: first_on date not null
break: last_on date not null
break: first_run text not null
break: last_run text not null
break: last_number integer not null
break: gone_run text
break: recurs_of text
break: owner text
break: due_on date not null
break: opened_at timestamp with time zone not null
break: state text not null
break: state_at timestamp with time zone not null
break: steps integer not null default 1
break: subject text not null
break: seen_number bigint not null
break: evidence_sha256 bytea
break: accepted_at_stake bigint
break: accepted_sha256 bytea
break: duplicate_of text
break: posted_after bigint
break_proposal: id text not null
break_proposal: break_id text not null
break_proposal: number integer not null
break_proposal: kind text not null
break_proposal: payload jsonb not null
break_proposal: payload_sha256 bytea not null
break_proposal: minor bigint not null
break_proposal: limit_minor bigint
break_proposal: reason text not null
break_proposal: maker text not null
break_proposal: made_at timestamp with time zone not null
break_proposal: expires_at timestamp with time zone not null
break_remark: break_id text not null
break_remark: number integer not null
break_remark: kind text not null
break_remark: text text not null
break_remark: actor text not null
break_remark: at timestamp with time zone not null
call: id text not null
call: subject_id text not null
call: number integer not null
call: provider text not null
call: key text not null
call: payload_sha256 bytea not null
call: worker text not null
call: fence bigint not null
call: announced_at timestamp with time zone not null
call: horizon_at timestamp with time zone not null
call_answer: id text not null
call_answer: kind text not null
call_answer: answer jsonb not null
call_answer: answered_at timestamp with time zone not null
call_answer: state text not null default 'stored'::text
call_answer: applied_at timestamp with time zone
call_answer: due_at timestamp with time zone
call_answer: attempt integer not null default 0
call_answer: lease_owner text
call_answer: lease_until timestamp with time zone
call_answer: fence bigint not null default 0
call_answer: last_error text
call_standing: id text
call_standing: subject_id text
call_standing: number integer
call_standing: provider text
call_standing: key text
call_standing: payload_sha256 bytea
call_standing: worker text
call_standing: fence bigint
call_standing: announced_at timestamp with time zone
call_standing: horizon_at timestamp with time zone
call_standing: kind text
call_standing: answer jsonb
call_standing: answered_at timestamp with time zone
call_standing: applied_at timestamp with time zone
call_standing: closed_at timestamp with time zone
carbon_bill: id text not null
carbon_bill: program_id text not null
carbon_bill: source text not null
carbon_bill: reference text not null
carbon_bill: first_day date not null
carbon_bill: last_day date not null
carbon_bill: lines integer not null
carbon_bill: watt_hours bigint not null
carbon_bill: grams bigint not null
carbon_bill: digest text not null
carbon_bill: final_at timestamp with time zone not null
carbon_bill: actor text not null
carbon_bill: at timestamp with time zone not null
carbon_bill_line: bill_id text not null
carbon_bill_line: program_id text not null
carbon_bill_line: region text not null
carbon_bill_line: day date not null
carbon_bill_line: watt_hours bigint not null
carbon_bill_line: grams bigint not null
carbon_credit: id text not null
carbon_credit: program_id text not null
carbon_credit: registry text not null
carbon_credit: series text not null
carbon_credit: first_serial bigint not null
carbon_credit: last_serial bigint not null
carbon_credit: grams_each bigint not null
carbon_credit: vintage integer not null
carbon_credit: reference text not null
carbon_credit: reason text not null
carbon_credit: actor text not null
carbon_credit: at timestamp with time zone not null
carbon_energy: id text not null
carbon_energy: program_id text not null
carbon_energy: agent_id text not null
carbon_energy: reference text not null
carbon_energy: region text not null
carbon_energy: day date not null
carbon_energy: starts_at timestamp with time zone not null
carbon_energy: ends_at timestamp with time zone not null
carbon_energy: watt_hours bigint not null
carbon_energy: actor text not null
carbon_energy: at timestamp with time zone not null
carbon_fetch: region text not null
carbon_fetch: day date not null
carbon_fetch: at timestamp with time zone not null
carbon_fetch: sync_id text not null
carbon_fetch: until timestamp with time zone not null
carbon_fetch: points integer not null
carbon_intensity: region text not null
carbon_intensity: point_at timestamp with time zone not null
carbon_intensity: number integer not null
carbon_intensity: period_s integer not null
carbon_intensity: value numeric not null
carbon_intensity: model text
carbon_intensity: sync_id text not null
carbon_intensity: at timestamp with time zone not null
carbon_posting: id text not null
carbon_posting: program_id text not null
carbon_posting: agent_id text not null
carbon_posting: region text not null
carbon_posting: day date not null
carbon_posting: number integer not null
carbon_posting: grams bigint not null
carbon_posting: total bigint not null
carbon_posting: watt_hours bigint not null
carbon_posting: forced boolean not null
carbon_posting: sync_id text not null
carbon_posting: at timestamp with time zone not null
carbon_retirement: id text not null
carbon_retirement: program_id text not null
carbon_retirement: credit_id text not null
carbon_retirement: first_serial bigint not null
carbon_retirement: last_serial bigint not null
carbon_retirement: agent_id text
carbon_retirement: grams bigint not null
carbon_retirement: reason text not null
carbon_retirement: actor text not null
carbon_retirement: at timestamp with time zone not null
carbon_sync: id text not null
carbon_sync: actor text not null
carbon_sync: forced boolean not null
carbon_sync: reason text
carbon_sync: days integer not null
carbon_sync: failed integer not null
carbon_sync: points integer not null
carbon_sync: posted integer not null
carbon_sync: breaks integer not null
carbon_sync: error text
carbon_sync: started_at timestamp with time zone not null
carbon_sync: ended_at timestamp with time zone not null
chain_gas: key text not null
chain_gas: number integer not null
chain_gas: wei numeric not null
chain_gas: minor bigint not null
chain_gas: asset text not null
chain_gas: at timestamp with time zone not null
chain_order: key text not null
chain_order: reference text not null
chain_order: chain_id bigint not null
chain_order: sender text not null
chain_order: nonce bigint not null
chain_order: asset text not null
chain_order: amount bigint not null
chain_order: units numeric not null
chain_order: token text
chain_order: recipient text not null
chain_order: gas bigint not null
chain_order: from_block bigint not null
chain_order: written_at timestamp with time zone not null
chain_sender: chain_id bigint not null
chain_sender: address text not null
chain_sender: next_nonce bigint not null
chain_sender: seen_block bigint not null
chain_sender: done_nonce bigint not null default 0
chain_sender: gas_wei numeric not null default 0
chain_sighting: key text not null
chain_sighting: number integer not null
chain_sighting: state text not null
chain_sighting: hash text not null
chain_sighting: block bigint
chain_sighting: block_hash text
chain_sighting: succeeded boolean
chain_sighting: gas_wei numeric
chain_sighting: told text not null
chain_sighting: at timestamp with time zone not null
chain_transaction: hash text not null
chain_transaction: key text not null
chain_transaction: number integer not null
chain_transaction: fee_wei numeric not null
chain_transaction: tip_wei numeric not null
chain_transaction: raw bytea not null
chain_transaction: signed_at timestamp with time zone not null
chargeback: id text not null
chargeback: program_id text not null
chargeback: provider text not null
chargeback: provider_ref text not null
chargeback: charge_id text not null
chargeback: payment_id text not null
chargeback: invoice_id text
chargeback: customer_id text
chargeback: payee_id text
chargeback: asset text not null
chargeback: amount bigint not null
chargeback: fee bigint not null
chargeback: fee_back bigint not null default 0
chargeback: beyond bigint not null
chargeback: cause text not null
chargeback: answer_by timestamp with time zone
chargeback: opened_at timestamp with time zone not null
chargeback: ended_at timestamp with time zone
chargeback: state text not null
chargeback: state_at timestamp with time zone not null
chargeback: steps integer not null default 1
chargeback: excess bigint not null default 0
chargeback_conflict: id text not null
chargeback_conflict: chargeback_id text not null
chargeback_conflict: program_id text not null
chargeback_conflict: said jsonb not null
chargeback_conflict: said_sha256 bytea not null
chargeback_conflict: differs text not null
chargeback_conflict: at timestamp with time zone not null
chargeback_debt: chargeback_id text not null
chargeback_debt: entry_id text not null
chargeback_debt: amount bigint not null
chargeback_escrow: chargeback_id text not null
chargeback_escrow: escrow_id text not null
chargeback_escrow: amount bigint not null
chargeback_refund: chargeback_id text not null
chargeback_refund: refund_id text not null
chargeback_refund: is_own boolean not null
chargeback_refund: amount bigint not null
chargeback_repaid: chargeback_id text not null
chargeback_repaid: unidentified_payment_id text not null
chargeback_repaid: amount bigint not null
chargeback_ruling: chargeback_id text not null
chargeback_ruling: program_id text not null
chargeback_ruling: outcome text not null
chargeback_ruling: reason text not null
chargeback_ruling: actor text not null
chargeback_ruling: at timestamp with time zone not null
circuit: id text not null
circuit: provider text not null
circuit: queue text not null
circuit: failures integer not null default 0
circuit: window_at timestamp with time zone not null
circuit: window_calls integer not null default 0
circuit: window_failures integer not null default 0
circuit: tries integer not null default 0
circuit: opened_at timestamp with time zone
circuit: probe_at timestamp with time zone
circuit: probed_by text
circuit: last_error text
circuit: state text not null
circuit: state_at timestamp with time zone not null
circuit: steps integer not null default 1
client_money: id text not null
client_money: program_id text not null
client_money: asset text not null
client_money: on_day date not null
client_money: owed bigint not null
client_money: held bigint not null
client_money: in_transit bigint not null
client_money: difference bigint not null
client_money: detail jsonb not null
client_money: sha256 bytea not null
client_money: made_by text not null
client_money: made_at timestamp with time zone not null
client_money_signature: client_money_id text not null
client_money_signature: sha256 bytea not null
client_money_signature: signed_by text not null
client_money_signature: action_taken text not null
client_money_signature: at timestamp with time zone not null
commission: id text not null
commission: program_id text not null
commission: sale_id text not null
commission: affiliate_id text not null
commission: level integer not null
commission: asset text not null
commission: amount bigint not null
commission: taken_back bigint not null default 0
commission: matures_at timestamp with time zone not null
commission: created_at timestamp with time zone not null
commission: payment_id text
commission: paid bigint
commission: state text not null
commission: state_at timestamp with time zone not null
commission: steps integer not null default 1
commission: due_at timestamp with time zone
commission: attempt integer not null default 0
commission: lease_owner text
commission: lease_until timestamp with time zone
commission: fence bigint not null default 0
commission: last_error text
commission_payment: id text not null
commission_payment: program_id text not null
commission_payment: affiliate_id text not null
commission_payment: asset text not null
commission_payment: earned bigint not null
commission_payment: netted bigint not null
commission_payment: amount bigint not null
commission_payment: rate_version integer not null
commission_payment: actor text not null
commission_payment: at timestamp with time zone not null
commission_rate: program_id text not null
commission_rate: asset text not null
commission_rate: version integer not null
commission_rate: base text not null
commission_rate: mode text not null
commission_rate: levels integer[] not null
commission_rate: cap_bps integer not null
commission_rate: mature_days integer not null
commission_rate: minimum bigint not null
commission_rate: effective_at timestamp with time zone not null
commission_rate: actor text not null
commission_rate: recorded_at timestamp with time zone not null
commission_reversal: id text not null
commission_reversal: commission_id text not null
commission_reversal: number integer not null
commission_reversal: program_id text not null
commission_reversal: amount bigint not null
commission_reversal: state text not null
commission_reversal: at timestamp with time zone not null
commission_sale: id text not null
commission_sale: program_id text not null
commission_sale: customer_id text not null
commission_sale: asset text not null
commission_sale: gross bigint not null
commission_sale: platform_fee bigint not null
commission_sale: rate_version integer not null
commission_sale: base_kind text not null
commission_sale: mode text not null
commission_sale: levels integer[] not null
commission_sale: path text[] not null
commission_sale: earns boolean[] not null
commission_sale: at timestamp with time zone not null
credit_note: id text not null
credit_note: program_id text not null
credit_note: invoice_id text not null
credit_note: asset text not null
credit_note: amount bigint not null
credit_note: against_due bigint not null
credit_note: refunded bigint not null
credit_note: refund_id text
credit_note: reason text not null
credit_note: actor text not null
credit_note: at timestamp with time zone not null
customer_account: program_id text
customer_account: customer_id text
customer_account: asset text
customer_account: account_id bigint
customer_account: amount bigint
customer_balance: id text
customer_balance: program_id text
customer_balance: customer_id text
customer_balance: asset text
customer_balance: balance bigint
customer_balance: overdue bigint
customer_balance: documents bigint
customer_balance: last_at timestamp with time zone
customer_debt_entry: id text not null
customer_debt_entry: program_id text not null
customer_debt_entry: customer_id text not null
customer_debt_entry: asset text not null
customer_debt_entry: kind text not null
customer_debt_entry: amount bigint not null
customer_debt_entry: payment_id text
customer_debt_entry: provider text
customer_debt_entry: reference text
customer_debt_entry: reason text not null
customer_debt_entry: actor text not null
customer_debt_entry: at timestamp with time zone not null
customer_entry: program_id text
customer_entry: customer_id text
customer_entry: asset text
customer_entry: at timestamp with time zone
customer_entry: place integer
customer_entry: kind text
customer_entry: document_id text
customer_entry: about text
customer_entry: amount bigint
debt: id text
debt: program_id text
debt: owed_by text
debt: party_id text
debt: asset text
debt: amount bigint
debt: account_id bigint
destination: id text not null
destination: program_id text not null
destination: payee_id text not null
destination: provider text not null
destination: token text
destination: actor text not null
destination: created_at timestamp with time zone not null
destination: ended_at timestamp with time zone
destination: envelope bytea
destination: fingerprint bytea
destination: state text not null
destination: state_at timestamp with time zone not null
destination: steps integer not null default 1
dispute: id text not null
dispute: program_id text not null
dispute: invoice_id text not null
dispute: customer_id text not null
dispute: payee_id text not null
dispute: asset text not null
dispute: exposure bigint not null
dispute: cause text not null
dispute: opened_by text not null
dispute: opened_at timestamp with time zone not null
dispute: level integer not null default 0
dispute: outcome text
dispute: refund bigint
dispute: retain_fees boolean not null default false
dispute: resolved_by text
dispute: appealed_by text
dispute: appeal_until timestamp with time zone
dispute: refund_id text
dispute: ended_at timestamp with time zone
dispute: state text not null
dispute: state_at timestamp with time zone not null
dispute: steps integer not null default 1
dispute: due_at timestamp with time zone
dispute: attempt integer not null default 0
dispute: lease_owner text
dispute: lease_until timestamp with time zone
dispute: fence bigint not null default 0
dispute: last_error text
dispute: booked bigint
dispute_evidence: dispute_id text not null
dispute_evidence: number integer not null
dispute_evidence: name text not null
dispute_evidence: sha256 bytea not null
dispute_evidence: content bytea not null
dispute_evidence: given_by text not null
dispute_evidence: actor text not null
dispute_evidence: at timestamp with time zone not null
drill: id text not null
drill: name text not null
drill: actor text not null
drill: asked_at timestamp with time zone not null
drill: backup_id text
drill: started_at timestamp with time zone
drill: beat_at timestamp with time zone
drill: progress text
drill: finished_at timestamp with time zone
drill: restore_ms bigint
drill: lost_s bigint
drill: lost_entries bigint
drill: root_matches boolean
drill: evidence text
drill: error text
drill: state text not null
drill: state_at timestamp with time zone not null
drill: steps integer not null default 1
drill: recover_to timestamp with time zone
drill_check: drill_id text not null
drill_check: place integer not null
drill_check: what text not null
drill_check: outcome text not null
drill_check: told text not null
drill_check: at timestamp with time zone not null
escrow: id text not null
escrow: program_id text not null
escrow: customer_id text not null
escrow: payee_id text not null
escrow: asset text not null
escrow: amount bigint not null
escrow: reference text not null
escrow: rate_version integer not null
escrow: expires_at timestamp with time zone not null
escrow: created_at timestamp with time zone not null
escrow: funded bigint not null default 0
escrow: released bigint not null default 0
escrow: refunded bigint not null default 0
escrow: repaid bigint not null default 0
escrow: warned_at timestamp with time zone
escrow: state text not null
escrow: state_at timestamp with time zone not null
escrow: steps integer not null default 1
escrow: due_at timestamp with time zone
escrow: attempt integer not null default 0
escrow: lease_owner text
escrow: lease_until timestamp with time zone
escrow: fence bigint not null default 0
escrow: last_error text
escrow_condition: escrow_id text not null
escrow_condition: number integer not null
escrow_condition: program_id text not null
escrow_condition: kind text not null
escrow_condition: not_before timestamp with time zone
escrow_condition: signers text[] not null default '{}'::text[]
escrow_condition: needed integer
escrow_condition: least_micro bigint
escrow_evidence: id text not null
escrow_evidence: escrow_id text not null
escrow_evidence: condition integer not null
escrow_evidence: program_id text not null
escrow_evidence: actor text not null
escrow_evidence: score_micro bigint
escrow_evidence: source text
escrow_evidence: at timestamp with time zone not null
escrow_movement: id text not null
escrow_movement: escrow_id text not null
escrow_movement: number integer not null
escrow_movement: program_id text not null
escrow_movement: kind text not null
escrow_movement: amount bigint not null
escrow_movement: platform_fee bigint not null default 0
escrow_movement: validator_fee bigint not null default 0
escrow_movement: net bigint not null default 0
escrow_movement: payment_id text
escrow_movement: provider text
escrow_movement: reference text
escrow_movement: by_ruling boolean not null default false
escrow_movement: actor text not null
escrow_movement: reason text
escrow_movement: at timestamp with time zone not null
event: id text not null
event: name text not null
event: level text not null
event: program_id text not null
event: subject_id text not null
event: payload jsonb not null
event: at timestamp with time zone not null
event: state text not null
event: state_at timestamp with time zone not null
event: steps integer not null default 1
event: due_at timestamp with time zone
event: attempt integer not null default 0
event: lease_owner text
event: lease_until timestamp with time zone
event: fence bigint not null default 0
event: last_error text
fee_limit: program_id text not null
fee_limit: version integer not null
fee_limit: asset text not null
fee_limit: fixed bigint not null
fee_limit: minimum bigint not null
fee_limit: maximum bigint
fee_rate: program_id text not null
fee_rate: version integer not null
fee_rate: platform_bps integer not null
fee_rate: validator_bps integer not null
fee_rate: holdback_bps integer not null
fee_rate: actor text not null
fee_rate: recorded_at timestamp with time zone not null
fee_term: program_id text not null
fee_term: version integer not null
fee_term: effective_at timestamp with time zone not null
fee_version: program_id text
fee_version: version integer
fee_version: platform_bps integer
fee_version: validator_bps integer
fee_version: holdback_bps integer
fee_version: effective_at timestamp with time zone
fee_version: actor text
fee_version: recorded_at timestamp with time zone
hold: id uuid not null
hold: debit bigint not null
hold: credit bigint not null
hold: amount bigint not null
hold: taken_at timestamp with time zone not null
hold: expires_at timestamp with time zone
hold: kind text not null
hold: actor text not null
hold: narrative text
hold: source_type text
hold: source_id text
hold: promised boolean not null default false
hold_resolution: hold_id uuid not null
hold_resolution: verb text not null
hold_resolution: amount bigint not null
hold_resolution: journal_id uuid
hold_resolution: line integer
hold_resolution: resolved_at timestamp with time zone not null
hold_resolution: actor text not null
hold_resolution: reason text
holdback_term: program_id text not null
holdback_term: version integer not null
holdback_term: days integer not null
holdback_tranche: id text not null
holdback_tranche: settlement_id text not null
holdback_tranche: number integer not null
holdback_tranche: program_id text not null
holdback_tranche: payee_id text not null
holdback_tranche: asset text not null
holdback_tranche: amount bigint not null
holdback_tranche: release_at timestamp with time zone not null
holdback_tranche: created_at timestamp with time zone not null
holdback_tranche: state text not null
holdback_tranche: state_at timestamp with time zone not null
holdback_tranche: steps integer not null default 1
holdback_tranche: due_at timestamp with time zone
holdback_tranche: attempt integer not null default 0
holdback_tranche: lease_owner text
holdback_tranche: lease_until timestamp with time zone
holdback_tranche: fence bigint not null default 0
holdback_tranche: last_error text
holdback_use: tranche_id text not null
holdback_use: refund_id text not null
holdback_use: amount bigint not null
idempotency: scope text not null
idempotency: key text not null
idempotency: sha256 bytea not null
idempotency: answer jsonb
idempotency: at timestamp with time zone not null
idempotency: holder text
incident: id text not null
incident: program_id text not null
incident: level text not null
incident: code text not null
incident: title text not null
incident: opened_at timestamp with time zone not null
incident: respond_by timestamp with time zone not null
incident: responded_at timestamp with time zone
incident: responded_by text
incident: brake text
incident: post_mortem_by timestamp with time zone
incident: post_mortem text
incident: closed_at timestamp with time zone
incident: state text not null
incident: state_at timestamp with time zone not null
incident: steps integer not null default 1
incident: due_at timestamp with time zone
incident: attempt integer not null default 0
incident: lease_owner text
incident: lease_until timestamp with time zone
incident: fence bigint not null default 0
incident: last_error text
intent: id text not null
intent: program_id text not null
intent: invoice_id text not null
intent: provider text not null
intent: created_at timestamp with time zone not null
intent: completed_at timestamp with time zone
intent: state text not null
intent: state_at timestamp with time zone not null
intent: steps integer not null default 1
intent: due_at timestamp with time zone
intent: attempt integer not null default 0
intent: lease_owner text
intent: lease_until timestamp with time zone
intent: fence bigint not null default 0
intent: last_error text
intent: waits_until date
invoice: id text not null
invoice: program_id text not null
invoice: customer_id text not null
invoice: payee_id text not null
invoice: asset text not null
invoice: total bigint not null
invoice: paid bigint not null default 0
invoice: issued_at timestamp with time zone not null
invoice: due_on date not null
invoice: state text not null
invoice: state_at timestamp with time zone not null
invoice: steps integer not null default 1
invoice: carried_in bigint
invoice: carried_out bigint
invoice: credited bigint not null default 0
invoice: written_off bigint not null default 0
invoice_write_off: id text not null
invoice_write_off: program_id text not null
invoice_write_off: invoice_id text not null
invoice_write_off: asset text not null
invoice_write_off: amount bigint not null
invoice_write_off: reason text not null
invoice_write_off: actor text not null
invoice_write_off: at timestamp with time zone not null
journal: id uuid not null
journal: program_id text not null
journal: book_id integer not null
journal: lines integer not null
journal: effective_at timestamp with time zone not null
journal: recorded_at timestamp with time zone not null
journal: kind text not null
journal: key text not null
journal: request_hash bytea not null
journal: actor text not null
journal: narrative text
journal: source_type text
journal: source_id text
journal: reverses uuid
journal: reverses_line integer
journal: written_by xid8 not null default pg_current_xact_id()
journal_import: id bytea not null
journal_import: program_id text not null
journal_import: file_name text not null
journal_import: rows bigint not null
journal_import: actor text not null
journal_import: at timestamp with time zone not null
journal_import_step: import_id bytea not null
journal_import_step: rows_done bigint not null
journal_import_step: at timestamp with time zone not null
journal_key_moved: journal_id uuid not null
journal_key_moved: old_key text not null
journal_key_moved: new_key text not null
journal_key_moved: at timestamp with time zone not null default clock_timestamp()
key_space: word text not null
key_space: kind text
key_space: source_type text
key_space: is_fact boolean not null
key_space: is_late_ok boolean not null
key_space: is_reversible boolean not null default true
late_posting: journal_id uuid not null
late_posting: line integer not null
late_posting: occurred_at timestamp with time zone not null
ledger_entries: program_id text
ledger_entries: type text
ledger_entries: amount bigint
ledger_entries: created_at timestamp with time zone
ledger_entries: effective_at timestamp with time zone
ledger_entries: asset text
ledger_entries: account text
ledger_entries: balance bigint
ledger_entries: kind text
ledger_entries: key text
ledger_entries: journal_id uuid
ledger_entries: line integer
ledger_entries: seq bigint
ledger_entries: movement uuid
ledger_entries: actor text
ledger_entries: narrative text
ledger_entries: source_type text
ledger_entries: source_id text
listed_account: id text
listed_account: program_id text
listed_account: asset text
listed_account: name text
listed_account: balance bigint
listed_account: held bigint
listed_account: opened_at timestamp with time zone
listed_account: account_id bigint
listed_commission_rate: id text
listed_commission_rate: program_id text
listed_commission_rate: asset text
listed_commission_rate: version integer
listed_commission_rate: base text
listed_commission_rate: mode text
listed_commission_rate: levels integer[]
listed_commission_rate: cap_bps integer
listed_commission_rate: mature_days integer
listed_commission_rate: minimum bigint
listed_commission_rate: effective_at timestamp with time zone
listed_commission_rate: actor text
listed_commission_rate: recorded_at timestamp with time zone
listed_fee_version: id text
listed_fee_version: program_id text
listed_fee_version: version integer
listed_fee_version: platform_bps integer
listed_fee_version: validator_bps integer
listed_fee_version: holdback_bps integer
listed_fee_version: effective_at timestamp with time zone
listed_fee_version: actor text
listed_fee_version: recorded_at timestamp with time zone
log_boundary: at timestamp with time zone not null
log_boundary: size bigint not null
log_boundary: made_at timestamp with time zone not null
log_checkpoint: size bigint not null
log_checkpoint: root bytea not null
log_checkpoint: key_id text not null
log_checkpoint: note text not null
log_checkpoint: at timestamp with time zone not null
log_entry: index bigint not null
log_entry: relation text not null
log_entry: row_id text not null
log_entry: recorded_at timestamp with time zone not null
log_entry: leaf_hash bytea not null
log_entry: record text not null
log_key: id text not null
log_key: public_key bytea not null
log_key: seed bytea
log_key: made_at timestamp with time zone not null
log_key: envelope bytea
log_key_change: key_id text not null
log_key_change: before_id text not null
log_key_change: cause text not null
log_key_change: size bigint not null
log_key_change: statement text not null
log_key_change: created_by text not null
log_key_change: created_at timestamp with time zone not null
log_key_quantum: key_id text not null
log_key_quantum: public_key bytea not null
log_key_quantum: size bigint not null
log_key_quantum: made_at timestamp with time zone not null
log_left: only_row boolean not null default true
log_left: size bigint not null
log_left: at timestamp with time zone not null
log_origin: one boolean not null default true
log_origin: origin text not null
log_origin: began_at timestamp with time zone not null
log_position: one boolean not null default true
log_position: server text not null
log_position: next_xid xid8 not null
log_position: swept_xid xid8
log_subtree: height smallint not null
log_subtree: index bigint not null
log_subtree: hash bytea not null
login_attempt: state_sha256 bytea not null
login_attempt: browser_sha256 bytea not null
login_attempt: nonce text not null
login_attempt: verifier text not null
login_attempt: next_path text not null
login_attempt: begun_at timestamp with time zone not null
login_attempt: finished_at timestamp with time zone
login_subject: id text not null
login_subject: principal_id text not null
login_subject: issuer text not null
login_subject: subject text not null
login_subject: linked_by text not null
login_subject: linked_at timestamp with time zone not null
login_subject: ended_at timestamp with time zone
metric_reach: name text not null
metric_reach: reached timestamp with time zone not null
metric_sum: name text not null
metric_sum: labels text[] not null
metric_sum: number bigint not null
metric_sum: total numeric not null default 0
migration: number integer not null
migration: name text not null
migration: sha256 text not null
migration: applied_at timestamp with time zone not null
minute_sample: minute timestamp with time zone not null
minute_sample: available boolean
minute_sample: answered_ms integer not null
minute_sample: why_not text
minute_sample: measured_by text not null
minute_sample: at timestamp with time zone not null
money_queue: queue text not null
monitor_round: only_row boolean not null default true
monitor_round: asked_at timestamp with time zone not null
monitor_round: every_s integer not null
monitor_round: asked_by text not null
monitor_round: asked integer not null default 0
monitor_round: failed integer not null default 0
monitor_round: done_at timestamp with time zone
not_kept_to_program: relation text not null
not_kept_to_program: why text not null
notice: id text not null
notice: program_id text not null default ''::text
notice: channel text not null
notice: group_key text not null
notice: level text not null
notice: title text not null
notice: body text not null
notice: times integer not null default 1
notice: created_at timestamp with time zone not null
notice: state text not null
notice: state_at timestamp with time zone not null
notice: steps integer not null default 1
notice: due_at timestamp with time zone
notice: attempt integer not null default 0
notice: lease_owner text
notice: lease_until timestamp with time zone
notice: fence bigint not null default 0
notice: last_error text
notice: recipient text not null default ''::text
notice_attempt: notice_id text not null
notice_attempt: fence bigint not null
notice_attempt: at timestamp with time zone not null
notice_attempt: taken boolean not null
notice_attempt: error text
notice_attempt: by text not null
open_hold: hold_id uuid not null
open_hold: debit bigint not null
open_hold: credit bigint not null
open_hold: amount bigint not null
open_hold: expires_at timestamp with time zone
overpayment: id text not null
overpayment: program_id text not null
overpayment: payment_id text not null
overpayment: invoice_id text not null
overpayment: customer_id text not null
overpayment: asset text not null
overpayment: amount bigint not null
overpayment: cause text not null
overpayment: created_at timestamp with time zone not null
overpayment: state text not null
overpayment: state_at timestamp with time zone not null
overpayment: steps integer not null default 1
overpayment_repayment: overpayment_id text not null
overpayment_repayment: program_id text not null
overpayment_repayment: amount bigint not null
overpayment_repayment: provider text not null
overpayment_repayment: reference text not null
overpayment_repayment: actor text not null
overpayment_repayment: at timestamp with time zone not null
password: principal_id text not null
password: hash text not null
password: set_at timestamp with time zone not null
password: expires_at timestamp with time zone
payment: id text not null
payment: program_id text not null
payment: provider text not null
payment: charge_id text not null
payment: invoice_id text
payment: reference text not null
payment: asset text not null
payment: amount bigint not null
payment: applied bigint not null
payment: fee bigint not null
payment: occurred_at timestamp with time zone not null
payment: recorded_at timestamp with time zone not null
payment: account text
payment_file: id text not null
payment_file: provider text not null
payment_file: program_id text not null
payment_file: asset text not null
payment_file: orders integer not null
payment_file: amount bigint not null
payment_file: body bytea
payment_file: sha256 bytea not null
payment_file: execute_on date not null
payment_file: created_at timestamp with time zone not null
payment_file: downloaded_at timestamp with time zone
payment_file: state text not null
payment_file: state_at timestamp with time zone not null
payment_file: steps integer not null default 1
payment_file: envelope bytea
payment_file_order: file_id text not null
payment_file_order: number integer not null
payment_file_order: provider_payout_id text not null
payout: id text not null
payout: program_id text not null
payout: payee_id text not null
payout: invoice_id text not null
payout: settlement_id text not null
payout: key text not null
payout: asset text not null
payout: amount bigint not null
payout: created_at timestamp with time zone not null
payout: state text not null
payout: state_at timestamp with time zone not null
payout: steps integer not null default 1
payout: due_at timestamp with time zone
payout: attempt integer not null default 0
payout: lease_owner text
payout: lease_until timestamp with time zone
payout: fence bigint not null default 0
payout: last_error text
payout: reissue integer not null default 0
payout_approval: provider_payout_id text not null
payout_approval: payout_id text not null
payout_approval: program_id text not null
payout_approval: basis text not null
payout_approval: policy_version integer
payout_approval: batch_id text
payout_approval: destination_id text
payout_approval: amount bigint not null
payout_approval: at timestamp with time zone not null
payout_batch: id text not null
payout_batch: program_id text not null
payout_batch: asset text not null
payout_batch: created_by text not null
payout_batch: maker text not null
payout_batch: created_at timestamp with time zone not null
payout_batch: amount bigint not null default 0
payout_batch: lines integer not null default 0
payout_batch: round integer not null default 0
payout_batch: sha256 bytea
payout_batch: approvers integer not null default 1
payout_batch: by_rule boolean not null default false
payout_batch: not_by_rule text
payout_batch: frozen_at timestamp with time zone
payout_batch: approved_at timestamp with time zone
payout_batch: executed_at timestamp with time zone
payout_batch: state text not null
payout_batch: state_at timestamp with time zone not null
payout_batch: steps integer not null default 1
payout_batch: due_at timestamp with time zone
payout_batch: attempt integer not null default 0
payout_batch: lease_owner text
payout_batch: lease_until timestamp with time zone
payout_batch: fence bigint not null default 0
payout_batch: last_error text
payout_batch_approval: batch_id text not null
payout_batch_approval: round integer not null
payout_batch_approval: sha256 bytea not null
payout_batch_approval: program_id text not null
payout_batch_approval: principal_id text not null
payout_batch_approval: approver text not null
payout_batch_approval: session_id text not null
payout_batch_approval: at timestamp with time zone not null
payout_batch_line: batch_id text not null
payout_batch_line: number integer not null
payout_batch_line: program_id text not null
payout_batch_line: payout_id text not null
payout_batch_line: payee_id text not null
payout_batch_line: destination_id text not null
payout_batch_line: provider text not null
payout_batch_line: asset text not null
payout_batch_line: amount bigint not null
payout_batch_line: live boolean not null default true
payout_batch_line: removed_at timestamp with time zone
payout_batch_line: paid_at timestamp with time zone
payout_batch_line: left_at timestamp with time zone
payout_batch_line: left_why text
payout_batch_maker: batch_id text not null
payout_batch_maker: program_id text not null
payout_batch_maker: principal_id text not null
payout_batch_maker: at timestamp with time zone not null
payout_evidence: provider_payout_id text not null
payout_evidence: program_id text not null
payout_evidence: break_id text not null
payout_evidence: run_id text not null
payout_evidence: number integer not null
payout_evidence: source text not null
payout_evidence: record_id text not null
payout_evidence: at timestamp with time zone not null
payout_netting: payout_id text not null
payout_netting: number integer not null
payout_netting: amount bigint not null
payout_netting: at timestamp with time zone not null
payout_policy: program_id text not null
payout_policy: asset text not null
payout_policy: version integer not null
payout_policy: by_rule_max bigint not null
payout_policy: tiers_above bigint[] not null
payout_policy: tiers_approvers integer[] not null
payout_policy: cooling_hours integer not null
payout_policy: reason text not null
payout_policy: actor text not null
payout_policy: at timestamp with time zone not null
payout_policy_in_force: id text
payout_policy_in_force: program_id text
payout_policy_in_force: asset text
payout_policy_in_force: version integer
payout_policy_in_force: by_rule_max bigint
payout_policy_in_force: tiers_above bigint[]
payout_policy_in_force: tiers_approvers integer[]
payout_policy_in_force: cooling_hours integer
payout_policy_in_force: reason text
payout_policy_in_force: actor text
payout_policy_in_force: at timestamp with time zone
payout_source: id text
payout_source: program_id text
payout_source: invoice_id text
payout_source: payee_id text
payout_source: asset text
payout_source: gross bigint
payout_source: platform_fee bigint
payout_source: validator_fee bigint
payout_source: holdback bigint
payout_source: net bigint
payout_source: rate_version integer
payout_source: at timestamp with time zone
period_close: program_id text not null
period_close: step integer not null
period_close: verb text not null
period_close: closed_until timestamp with time zone not null
period_close: actor text not null
period_close: reason text not null
period_close: at timestamp with time zone not null
period_close: recorded_at timestamp with time zone not null default clock_timestamp()
period_close: approved_by text
period_close: approval_id text
period_close: written_by xid8 not null default pg_current_xact_id()
period_keys: from_at timestamp with time zone not null
period_keys: to_at timestamp with time zone not null
period_keys: keys text not null
period_keys: made_at timestamp with time zone not null
personal_data_policy: version integer not null
personal_data_policy: name text not null
personal_data_policy: sha256 bytea
personal_data_policy: reason text not null
personal_data_policy: actor text not null
personal_data_policy: recorded_at timestamp with time zone not null
posting: journal_id uuid not null
posting: debit bigint not null
posting: credit bigint not null
posting: amount bigint not null
posting: debit_balance bigint not null
posting: credit_balance bigint not null
posting: effective_at timestamp with time zone not null
posting: seq bigint not null
posting: line integer not null
posting: segment integer not null
posting: off_clock boolean not null
posting: movement uuid
principal: id text not null
principal: kind text not null
principal: name text not null
principal: skeleton text not null
principal: program_id text
principal: created_by text not null
principal: created_at timestamp with time zone not null
principal: disabled_at timestamp with time zone
program: id text not null
program: name text not null
program: opened_at timestamp with time zone not null
program_segment: program_id text not null
program_segment: segment integer not null
program_segment: first_seq bigint not null
program_segment: postings bigint not null default 0
proof: id text not null
proof: from_at timestamp with time zone not null
proof: to_at timestamp with time zone not null
proof: open_size bigint not null
proof: close_size bigint not null
proof: entries bigint not null
proof: verdict text not null
proof: reconciliation text not null
proof: manifest_sha256 bytea not null
proof: previous_id text
proof: duration_ms integer not null
proof: made_by text not null
proof: created_at timestamp with time zone not null
proof: state text not null
proof: state_at timestamp with time zone not null
proof: steps integer not null default 1
proof_export: id text not null
proof_export: from_at timestamp with time zone not null
proof_export: to_at timestamp with time zone not null
proof_export: actor text not null
proof_export: started_at timestamp with time zone not null
proof_export: heard_at timestamp with time zone not null
proof_export: stage text not null
proof_export: done bigint not null default 0
proof_export: total bigint
proof_export: finished_at timestamp with time zone
proof_export: proof_id text
proof_export: error text
proof_export: state text not null
proof_export: state_at timestamp with time zone not null
proof_export: steps integer not null default 1
proof_file: proof_id text not null
proof_file: name text not null
proof_file: sha256 bytea not null
proof_file: bytes bigint not null
proof_file: crc32 bigint not null
proof_request: proof_id text not null
proof_request: number integer not null
proof_request: quorum integer not null
proof_request: statement bytea not null
proof_request: requested_by text not null
proof_request: requested_at timestamp with time zone not null
proof_signature: proof_id text not null
proof_signature: number integer not null
proof_signature: signer_id text not null
proof_signature: principal_id text not null
proof_signature: role text not null
proof_signature: signature bytea not null
proof_signature: at timestamp with time zone not null
provider_conflict: provider_payout_id text not null
provider_conflict: said text not null
provider_conflict: expected text not null
provider_conflict: fact jsonb not null
provider_conflict: at timestamp with time zone not null
provider_conflict: id text not null
provider_conflict: number integer not null
provider_conflict: state text not null
provider_conflict: state_at timestamp with time zone not null
provider_conflict: steps integer not null default 1
provider_cursor: provider text not null
provider_cursor: last_event_id text not null
provider_payout: id text not null
provider_payout: payout_id text not null
provider_payout: program_id text not null
provider_payout: number integer not null
provider_payout: provider text not null
provider_payout: idempotency_key text not null
provider_payout: destination text
provider_payout: asset text not null
provider_payout: amount bigint not null
provider_payout: payload_sha256 bytea not null
provider_payout: created_at timestamp with time zone not null
provider_payout: request_sent_at timestamp with time zone
provider_payout: sent_at timestamp with time zone
provider_payout: provider_ref text
provider_payout: fee bigint not null default 0
provider_payout: state text not null
provider_payout: state_at timestamp with time zone not null
provider_payout: steps integer not null default 1
provider_payout: due_at timestamp with time zone
provider_payout: attempt integer not null default 0
provider_payout: lease_owner text
provider_payout: lease_until timestamp with time zone
provider_payout: fence bigint not null default 0
provider_payout: last_error text
provider_payout: error_class text
provider_payout: failed_by text
provider_payout: unconfirmed text
provider_payout: not_there_at timestamp with time zone
provider_payout: paid bigint
provider_payout: beyond bigint not null default 0
provider_payout: destination_id text
queue_drain: number bigint not null
queue_hour: hour timestamp with time zone not null
queue_hour: queue text not null
queue_hour: samples integer not null
queue_hour: depth_sum bigint not null
queue_hour: depth_max integer not null
queue_hour: oldest_max_s integer not null
queue_pause: number bigint not null identity
queue_pause: queue text not null
queue_pause: provider text not null default ''::text
queue_pause: program_id text not null default ''::text
queue_pause: paused boolean not null
queue_pause: reason text not null
queue_pause: actor text not null
queue_pause: at timestamp with time zone not null
queue_paused: number bigint
queue_paused: queue text
queue_paused: provider text
queue_paused: program_id text
queue_paused: paused boolean
queue_paused: reason text
queue_paused: actor text
queue_paused: at timestamp with time zone
receivable_write_off: id text not null
receivable_write_off: program_id text not null
receivable_write_off: payee_id text not null
receivable_write_off: asset text not null
receivable_write_off: amount bigint not null
receivable_write_off: reason text not null
receivable_write_off: actor text not null
receivable_write_off: at timestamp with time zone not null
reconciliation_gap: name text not null
reconciliation_gap: first_at timestamp with time zone not null
reconciliation_gap: last_at timestamp with time zone not null
reconciliation_gap: missed integer not null
reconciliation_gap: noticed_at timestamp with time zone not null
reconciliation_gap: noticed_by text not null
reconciliation_run: id text not null
reconciliation_run: program_id text not null
reconciliation_run: source text not null
reconciliation_run: scope text not null default 'range'::text
reconciliation_run: first_on date not null
reconciliation_run: last_on date not null
reconciliation_run: state text not null
reconciliation_run: verdict text
reconciliation_run: actor text not null
reconciliation_run: slot_at timestamp with time zone
reconciliation_run: started_at timestamp with time zone not null
reconciliation_run: beat_at timestamp with time zone not null
reconciliation_run: progress text
reconciliation_run: finished_at timestamp with time zone
reconciliation_run: confirmed_at timestamp with time zone
reconciliation_run: read_until timestamp with time zone
reconciliation_run: statement_sha256 bytea
reconciliation_run: inputs_sha256 bytea
reconciliation_run: rules_sha256 text
reconciliation_run: result_sha256 bytea
reconciliation_run: matched bigint
reconciliation_run: breaks bigint
reconciliation_run: expected bigint
reconciliation_run: notes text[] not null default '{}'::text[]
reconciliation_run: report jsonb
reconciliation_run: comparison jsonb
reconciliation_run: error text
reconciliation_run: number bigint not null default nextval('reconciliation_run_number'::regclass)
reconciliation_run: complete boolean not null default true
reconciliation_schedule: name text not null
reconciliation_schedule: cron text not null
reconciliation_schedule: since timestamp with time zone not null
reconciliation_slot: name text not null
reconciliation_slot: slot_at timestamp with time zone not null
reconciliation_slot: taken_at timestamp with time zone not null
reconciliation_slot: taken_by text not null
reconciliation_slot: skipped integer not null
recovery_code: factor_id text not null
recovery_code: number integer not null
recovery_code: sha256 bytea not null
recovery_code: used_at timestamp with time zone
referral: program_id text not null
referral: customer_id text not null
referral: affiliate_id text not null
referral: actor text not null
referral: at timestamp with time zone not null
refund: id text not null
refund: program_id text not null
refund: invoice_id text not null
refund: settlement_id text
refund: customer_id text not null
refund: payee_id text not null
refund: asset text not null
refund: amount bigint not null
refund: escrow bigint not null
refund: platform_fee bigint not null
refund: validator_fee bigint not null
refund: own_holdback bigint not null
refund: payable bigint not null
refund: holdback bigint not null
refund: receivable bigint not null
refund: credited bigint not null
refund: retain_fees boolean not null
refund: cause text not null
refund: created_at timestamp with time zone not null
refund: state text not null
refund: state_at timestamp with time zone not null
refund: steps integer not null default 1
refund_execution: refund_id text not null
refund_execution: provider text not null
refund_execution: reference text not null
refund_execution: actor text not null
refund_execution: at timestamp with time zone not null
request_turn: scope text not null
request_turn: second bigint not null
request_turn: taken integer not null
reversal: journal_id uuid not null
reversal: line integer not null
reversal: reversed_by uuid not null
role_conflict: role text not null
role_conflict: other text not null
role_grant: id text not null
role_grant: principal_id text not null
role_grant: role text not null
role_grant: granted_by text not null
role_grant: granted_at timestamp with time zone not null
role_grant: revoked_by text
role_grant: revoked_at timestamp with time zone
role_grant: written_by xid8
role_grant: program_id text
run_finding: run_id text not null
run_finding: number integer not null
run_finding: identity text not null
run_finding: kind text not null
run_finding: severity text not null
run_finding: asset text not null
run_finding: at_stake bigint not null
run_finding: cause text not null
run_finding: day date
run_finding: detail jsonb not null
runbook_answer: run_id text not null
runbook_answer: number integer not null
runbook_answer: attempt integer not null
runbook_answer: type text not null
runbook_answer: outcome text not null
runbook_answer: told text not null
runbook_answer: evidence jsonb not null
runbook_answer: actor text not null
runbook_answer: at timestamp with time zone not null
runbook_run: id text not null
runbook_run: program_id text not null default ''::text
runbook_run: runbook text not null
runbook_run: kind text not null
runbook_run: title text not null
runbook_run: ordered boolean not null
runbook_run: steps_written jsonb not null
runbook_run: sha256 bytea not null
runbook_run: starts_at timestamp with time zone
runbook_run: ends_at timestamp with time zone
runbook_run: subject text not null default ''::text
runbook_run: alert_id text
runbook_run: started_by text not null
runbook_run: started_at timestamp with time zone not null
runbook_run: ended_by text
runbook_run: ended_at timestamp with time zone
runbook_run: state text not null
runbook_run: state_at timestamp with time zone not null
runbook_run: steps integer not null default 1
sale: id text
sale: program_id text
sale: customer_id text
sale: invoice_id text
sale: payee_id text
sale: asset text
sale: gross bigint
sale: platform_fee bigint
sale: validator_fee bigint
sale: holdback bigint
sale: net bigint
sale: rate_version integer
sale: at timestamp with time zone
sale: is_settlement boolean
schedule_end: number bigint not null identity
schedule_end: name text not null
schedule_end: slot_at timestamp with time zone not null
schedule_end: ended_at timestamp with time zone not null
schedule_end: error text
schedule_moment: id text
schedule_moment: name text
schedule_moment: slot_at timestamp with time zone
schedule_moment: first_at timestamp with time zone
schedule_moment: missed integer
schedule_moment: taken_at timestamp with time zone
schedule_moment: taken_by text
schedule_wish: name text not null
schedule_wish: worker text not null
schedule_wish: cron text not null
schedule_wish: since timestamp with time zone not null
schedule_wish: said_at timestamp with time zone not null
seal: relation text not null
seal: row_id text not null
seal: sha256 bytea not null
sealed_relation: relation text not null
sealed_relation: key text[] not null
sealed_relation: columns text[] not null
second_administrator: id text not null
second_administrator: principal_id text not null
second_administrator: reason text not null
second_administrator: announced_by text not null
second_administrator: announced_at timestamp with time zone not null
second_administrator: begins_at timestamp with time zone not null
second_administrator: lapses_at timestamp with time zone not null
second_administrator: written_at timestamp with time zone not null
second_administrator: stopped_by text
second_administrator: stopped_at timestamp with time zone
second_administrator: stop_reason text
second_administrator: begun_at timestamp with time zone
second_administrator: grant_id text
second_factor: id text not null
second_factor: principal_id text not null
second_factor: secret text
second_factor: made_at timestamp with time zone not null
second_factor: confirmed_at timestamp with time zone
second_factor: ended_at timestamp with time zone
second_factor: used_step bigint not null default 0
second_factor: envelope bytea
sentinel_check: run_id text not null
sentinel_check: place integer not null
sentinel_check: code text not null
sentinel_check: outcome text not null
sentinel_check: findings integer not null default 0
sentinel_check: took_ms integer not null
sentinel_check: error text
sentinel_check: at timestamp with time zone not null
sentinel_run: id text not null
sentinel_run: number bigint not null default nextval('sentinel_run_number'::regclass)
sentinel_run: kind text not null
sentinel_run: actor text not null
sentinel_run: slot_at timestamp with time zone
sentinel_run: started_at timestamp with time zone not null
sentinel_run: beat_at timestamp with time zone not null
sentinel_run: progress text
sentinel_run: since timestamp with time zone
sentinel_run: watermark timestamp with time zone
sentinel_run: finished_at timestamp with time zone
sentinel_run: touched jsonb not null default '{}'::jsonb
sentinel_run: checks integer not null default 0
sentinel_run: holding integer not null default 0
sentinel_run: broken integer not null default 0
sentinel_run: failed integer not null default 0
sentinel_run: findings integer not null default 0
sentinel_run: opened integer not null default 0
sentinel_run: error text
sentinel_run: state text not null
sentinel_run: state_at timestamp with time zone not null
sentinel_run: steps integer not null default 1
sentinel_run: unasked text[] not null default '{}'::text[]
session: secret_hash bytea not null
session: api_key_id text
session: csrf text
session: created_at timestamp with time zone not null
session: expires_at timestamp with time zone not null
session: id text not null
session: principal_id text not null
session: address text not null default ''::text
session: seen_at timestamp with time zone
session: idle_s integer
session: factor_until timestamp with time zone
session: agent text not null default ''::text
session: factor_demanded boolean not null default false
session: opened_by text
session: factor_needed boolean not null default false
settlement: id text not null
settlement: program_id text not null
settlement: invoice_id text not null
settlement: payee_id text not null
settlement: asset text not null
settlement: gross bigint not null
settlement: platform_fee bigint not null
settlement: validator_fee bigint not null
settlement: holdback bigint not null
settlement: net bigint not null
settlement: rate_version integer not null
settlement: at timestamp with time zone not null
signer: id text not null
signer: principal_id text not null
signer: person text not null
signer: role text not null
signer: public_key bytea not null
signer: created_by text not null
signer: created_at timestamp with time zone not null
signer: valid_until timestamp with time zone not null
signer: revoked_at timestamp with time zone
signer: revoked_by text
signer: revoke_reason text
silence: id text not null
silence: program_id text not null default ''::text
silence: code text not null default ''::text
silence: until timestamp with time zone not null
silence: reason text not null
silence: actor text not null
silence: created_at timestamp with time zone not null
silence: state text not null
silence: state_at timestamp with time zone not null
silence: steps integer not null default 1
step: machine text not null
step: subject_id text not null
step: step integer not null
step: from_state text not null
step: verb text not null
step: to_state text not null
step: actor text not null
step: reason text
step: cause text
step: at timestamp with time zone not null
store_copy: id text not null
store_copy: store text not null
store_copy: path text not null
store_copy: subject_id text
store_copy: bytes bigint not null
store_copy: sha256 bytea not null
store_copy: found_at timestamp with time zone not null
store_copy: kept_at timestamp with time zone
store_copy: version text
store_copy: checksum text
store_copy: locked_until timestamp with time zone
store_copy: looked_at timestamp with time zone
store_copy: unwanted_at timestamp with time zone
store_copy: error text
store_copy: state text not null
store_copy: state_at timestamp with time zone not null
store_copy: steps integer not null default 1
store_copy: due_at timestamp with time zone
store_copy: attempt integer not null default 0
store_copy: lease_owner text
store_copy: lease_until timestamp with time zone
store_copy: fence bigint not null default 0
store_copy: last_error text
transition: machine text not null
transition: from_state text not null
transition: verb text not null
transition: to_state text not null
transition: needs_reason boolean not null
transition: needs_pair boolean not null
treasury_movement: id text not null
treasury_movement: program_id text not null
treasury_movement: asset text not null
treasury_movement: kind text not null
treasury_movement: amount bigint not null
treasury_movement: reference text not null
treasury_movement: reason text not null
treasury_movement: actor text not null
treasury_movement: at timestamp with time zone not null
two_phase: id text not null
two_phase: program_id text not null
two_phase: reference text not null
two_phase: commits text not null
two_phase: participants integer not null
two_phase: expires_at timestamp with time zone not null
two_phase: created_at timestamp with time zone not null
two_phase: created_by text not null
two_phase: state text not null
two_phase: state_at timestamp with time zone not null
two_phase: steps integer not null default 1
two_phase: due_at timestamp with time zone
two_phase: attempt integer not null default 0
two_phase: lease_owner text
two_phase: lease_until timestamp with time zone
two_phase: fence bigint not null default 0
two_phase: last_error text
two_phase: coordinator text
two_phase: foreign_id text
two_phase: asked bytea
two_phase_call: transaction_id text not null
two_phase_call: peer text not null
two_phase_call: program_id text not null
two_phase_call: due_at timestamp with time zone
two_phase_call: attempt integer not null default 0
two_phase_call: last_error text
two_phase_check: transaction_id text not null
two_phase_check: agent_id text not null
two_phase_check: program_id text not null
two_phase_check: agrees boolean not null
two_phase_check: found text not null
two_phase_check: at timestamp with time zone not null
two_phase_decision: transaction_id text not null
two_phase_decision: program_id text not null
two_phase_decision: decision text not null
two_phase_decision: cause text not null
two_phase_decision: approval text
two_phase_decision: actor text not null
two_phase_decision: reason text
two_phase_decision: at timestamp with time zone not null
two_phase_outcome: transaction_id text not null
two_phase_outcome: number integer not null
two_phase_outcome: program_id text not null
two_phase_outcome: outcome text not null
two_phase_outcome: journal_id uuid
two_phase_outcome: at timestamp with time zone not null
two_phase_participant: transaction_id text not null
two_phase_participant: number integer not null
two_phase_participant: program_id text not null
two_phase_participant: agent_id text
two_phase_participant: side text not null
two_phase_participant: asset text not null
two_phase_participant: amount bigint not null
two_phase_participant: peer text
two_phase_participant: peer_agent text
two_phase_vote: transaction_id text not null
two_phase_vote: number integer not null
two_phase_vote: program_id text not null
two_phase_vote: vote text not null
two_phase_vote: why text
two_phase_vote: hold_id uuid
two_phase_vote: seq bigint not null
two_phase_vote: mandates integer not null
two_phase_vote: at timestamp with time zone not null
unidentified_payment: id text not null
unidentified_payment: program_id text not null
unidentified_payment: payment_id text not null
unidentified_payment: provider text not null
unidentified_payment: charge_id text not null
unidentified_payment: reference text not null
unidentified_payment: customer_id text
unidentified_payment: asset text not null
unidentified_payment: amount bigint not null
unidentified_payment: cause text not null
unidentified_payment: created_at timestamp with time zone not null
unidentified_payment: state text not null
unidentified_payment: state_at timestamp with time zone not null
unidentified_payment: steps integer not null default 1
unidentified_repayment: unidentified_payment_id text not null
unidentified_repayment: program_id text not null
unidentified_repayment: payment_id text not null
unidentified_repayment: amount bigint not null
unidentified_repayment: provider text not null
unidentified_repayment: reference text not null
unidentified_repayment: actor text not null
unidentified_repayment: at timestamp with time zone not null
unposted_line: journal_id uuid not null
unposted_line: line integer not null
unposted_line: outcome text not null
usage_file: id text not null
usage_file: program_id text not null
usage_file: sha256 bytea not null
usage_file: file_name text not null
usage_file: lines integer not null
usage_file: lines_done integer not null
usage_file: new integer not null default 0
usage_file: rejected integer not null default 0
usage_file: actor text not null
usage_file: began_at timestamp with time zone not null
usage_file: heard_at timestamp with time zone not null
usage_file: ended_at timestamp with time zone
usage_fraction: program_id text not null
usage_fraction: customer_id text not null
usage_fraction: payee_id text not null
usage_fraction: asset text not null
usage_fraction: fraction bigint not null
usage_import: id text not null
usage_import: program_id text not null
usage_import: file_name text not null
usage_import: sha256 bytea not null
usage_import: records integer not null
usage_import: actor text not null
usage_import: at timestamp with time zone not null
usage_record: id text not null
usage_record: program_id text not null
usage_record: external_id text not null
usage_record: import_id text not null
usage_record: customer_id text not null
usage_record: payee_id text not null
usage_record: asset text not null
usage_record: description text not null
usage_record: quantity_micro bigint not null
usage_record: price_micro bigint not null
usage_record: amount bigint not null
usage_record: occurred_at timestamp with time zone not null
usage_record: invoice_id text
usage_record: line integer
wal_archive: system_id text not null
wal_archive: asked_at timestamp with time zone not null
wal_archive: kept_at timestamp with time zone
wal_archive: kept_place bigint
wal_archive: failed_at timestamp with time zone
wal_archive: error text
wal_archive: ended_at timestamp with time zone
webhook_attempt: delivery_id text not null
webhook_attempt: number integer not null
webhook_attempt: at timestamp with time zone not null
webhook_attempt: took_ms integer not null
webhook_attempt: status integer
webhook_attempt: error text not null
webhook_attempt: answer text not null
webhook_delivery: id text not null
webhook_delivery: endpoint_id text not null
webhook_delivery: event_id text not null
webhook_delivery: program_id text not null
webhook_delivery: created_at timestamp with time zone not null
webhook_delivery: state text not null
webhook_delivery: state_at timestamp with time zone not null
webhook_delivery: steps integer not null default 1
webhook_delivery: due_at timestamp with time zone
webhook_delivery: attempt integer not null default 0
webhook_delivery: lease_owner text
webhook_delivery: lease_until timestamp with time zone
webhook_delivery: fence bigint not null default 0
webhook_delivery: last_error text
webhook_endpoint: id text not null
webhook_endpoint: program_id text
webhook_endpoint: url text not null
webhook_endpoint: events text[] not null
webhook_endpoint: min_level text not null
webhook_endpoint: owner_email text not null
webhook_endpoint: about text not null
webhook_endpoint: created_by text not null
webhook_endpoint: created_at timestamp with time zone not null
webhook_endpoint: failures integer not null default 0
webhook_endpoint: failing_since timestamp with time zone
webhook_endpoint: delivered_at timestamp with time zone
webhook_endpoint: not_before timestamp with time zone
webhook_endpoint: state text not null
webhook_endpoint: state_at timestamp with time zone not null
webhook_endpoint: steps integer not null default 1
webhook_in: id text not null
webhook_in: provider text not null
webhook_in: event_id text not null
webhook_in: event_type text not null
webhook_in: body bytea
webhook_in: body_sha256 bytea
webhook_in: received_at timestamp with time zone not null
webhook_in: duplicates integer not null default 0
webhook_in: conflicts integer not null default 0
webhook_in: state text not null
webhook_in: state_at timestamp with time zone not null
webhook_in: steps integer not null default 1
webhook_in: due_at timestamp with time zone
webhook_in: attempt integer not null default 0
webhook_in: lease_owner text
webhook_in: lease_until timestamp with time zone
webhook_in: fence bigint not null default 0
webhook_in: last_error text
webhook_in: envelope bytea
webhook_in_rejection: provider text not null
webhook_in_rejection: day date not null
webhook_in_rejection: reason text not null
webhook_in_rejection: count integer not null
webhook_in_rejection: last_at timestamp with time zone not null
webhook_secret: id text not null
webhook_secret: endpoint_id text not null
webhook_secret: number integer not null
webhook_secret: overlap_days integer not null
webhook_secret: public_key text not null
webhook_secret: secret text
webhook_secret: seed text
webhook_secret: created_by text not null
webhook_secret: created_at timestamp with time zone not null
webhook_secret: envelope bytea
work_mishap: id bigint not null identity
work_mishap: kind text not null
work_mishap: queue text not null
work_mishap: number integer not null
work_mishap: worker text not null
work_mishap: at timestamp with time zone not null
worker: id text not null
worker: host text not null
worker: pid integer not null
worker: version text not null
worker: started_at timestamp with time zone not null
worker: beat_at timestamp with time zone not null
worker: stopped_at timestamp with time zone
worker: jobs jsonb not null default '{}'::jsonb
write_off_limit: program_id text not null
write_off_limit: asset text not null
write_off_limit: version integer not null
write_off_limit: minor bigint not null
write_off_limit: reason text not null
write_off_limit: actor text not null
write_off_limit: at timestamp with time zone not null

-- storage
account: with fillfactor=45, autovacuum_vacuum_scale_factor=100, autovacuum_analyze_scale_factor=100
audit_record: with security_invoker=true
bank_line_counted: with security_invoker=true
call_standing: with security_invoker=true
customer_account: with security_invoker=true
customer_balance: with security_invoker=true
customer_entry: with security_invoker=true
debt: with security_invoker=true
fee_version: with security_invoker=true
ledger_entries: with security_invoker=true
listed_account: with security_invoker=true
listed_commission_rate: with security_invoker=true
listed_fee_version: with security_invoker=true
payout_policy_in_force: with security_invoker=true
payout_source: with security_invoker=true
posting: with autovacuum_analyze_scale_factor=1
queue_paused: with security_invoker=true
sale: with security_invoker=true
schedule_moment: with security_invoker=true

-- constraints
access_attempt: access_attempt_pkey PRIMARY KEY (bucket)
access_event: access_event_kind CHECK ((kind = ANY (ARRAY['login'::text, 'login_failed'::text, 'login_limited'::text, 'logout'::text, 'key_refused'::text, 'refused'::text, 'password_changed'::text, 'password_reset'::text, 'factor_added'::text, 'factor_removed'::text, 'recovery_used'::text, 'session_ended'::text])))
access_event: access_event_pkey PRIMARY KEY (id)
account: account_closes_empty CHECK (((NOT closed) OR ((debits = credits) AND (debits_pending = 0) AND (credits_pending = 0))))
account: account_is_not_overdrawn CHECK (((NOT no_overdraft) OR (
CASE
    WHEN debit_normal THEN ((debits - credits) - credits_pending)
    ELSE ((credits - debits) - debits_pending)
END >= 0)))
account: account_is_opened_once UNIQUE (book_id, name)
account: account_keeps_what_is_retired CHECK ((((debits = 0) AND (debits_pending = 0)) OR (name !~~ 'carbon:retired:%'::text)))
account: account_lies_in_its_book CHECK (((id >> 40) = book_id))
account: account_name_is_short CHECK (((length(name) >= 1) AND (length(name) <= 200)))
account: account_pkey PRIMARY KEY (id)
account: account_totals_are_not_negative CHECK ((LEAST(debits, credits, debits_pending, credits_pending) >= 0))
account_flag: account_flag_has_a_reason CHECK (((length(reason) >= 1) AND (length(reason) <= 2000)))
account_flag: account_flag_is_known CHECK ((flag = ANY (ARRAY['frozen'::text, 'closed'::text, 'no_overdraft'::text])))
account_flag: account_flag_step_is_taken_once PRIMARY KEY (account_id, step)
account_flag: account_flag_step_starts_at_one CHECK ((step > 0))
account_guard: account_guard_pkey PRIMARY KEY (account_id)
action: action_pkey PRIMARY KEY (id)
action_origin: action_origin_action_id_fkey FOREIGN KEY (action_id) REFERENCES action(id)
action_origin: action_origin_address CHECK ((length(address) <= 120))
action_origin: action_origin_pkey PRIMARY KEY (action_id)
affiliate: affiliate_has_its_parent FOREIGN KEY (program_id, parent_id) REFERENCES affiliate(program_id, id)
affiliate: affiliate_name_is_one UNIQUE (program_id, name)
affiliate: affiliate_name_size CHECK (((length(name) >= 1) AND (length(name) <= 100)))
affiliate: affiliate_not_its_own_parent CHECK ((parent_id <> id))
affiliate: affiliate_of_program UNIQUE (program_id, id)
affiliate: affiliate_pkey PRIMARY KEY (id)
affiliate: affiliate_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
affiliate_placement: affiliate_placement_affiliate_id_fkey FOREIGN KEY (affiliate_id) REFERENCES affiliate(id)
affiliate_placement: affiliate_placement_pkey PRIMARY KEY (affiliate_id, number)
affiliate_placement: affiliate_placement_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
affiliate_placement: affiliate_placement_under_its_own_program FOREIGN KEY (program_id, parent_id) REFERENCES affiliate(program_id, id)
agent: agent_has_a_name_of_its_own UNIQUE (program_id, name)
agent: agent_name_size CHECK (((length(name) >= 1) AND (length(name) <= 100)))
agent: agent_pkey PRIMARY KEY (id)
agent: agent_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
agent_mandate: agent_mandate_agent_id_fkey FOREIGN KEY (agent_id) REFERENCES agent(id)
agent_mandate: agent_mandate_asset_fkey FOREIGN KEY (asset) REFERENCES asset(code)
agent_mandate: agent_mandate_counterparty_id_fkey FOREIGN KEY (counterparty_id) REFERENCES agent(id)
agent_mandate: agent_mandate_ends_later CHECK ((revoked OR (expires_at > at)))
agent_mandate: agent_mandate_is_not_towards_itself CHECK ((counterparty_id <> agent_id))
agent_mandate: agent_mandate_names_others_once CHECK (((counterparty_id IS NULL) OR (towards = 'anyone'::text)))
agent_mandate: agent_mandate_number_is_one UNIQUE (agent_id, number)
agent_mandate: agent_mandate_per_day CHECK ((per_day > 0))
agent_mandate: agent_mandate_per_hour CHECK ((per_hour > 0))
agent_mandate: agent_mandate_per_month CHECK ((per_month > 0))
agent_mandate: agent_mandate_per_transaction CHECK ((per_transaction > 0))
agent_mandate: agent_mandate_per_week CHECK ((per_week > 0))
agent_mandate: agent_mandate_pkey PRIMARY KEY (id)
agent_mandate: agent_mandate_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
agent_mandate: agent_mandate_towards CHECK ((towards = ANY (ARRAY['anyone'::text, 'named'::text])))
alert: alert_extent CHECK ((extent = ANY (ARRAY['one'::text, 'several'::text, 'system'::text, 'regulator'::text])))
alert: alert_first_run_fkey FOREIGN KEY (first_run) REFERENCES sentinel_run(id)
alert: alert_gone_run_fkey FOREIGN KEY (gone_run) REFERENCES sentinel_run(id)
alert: alert_incident_id_fkey FOREIGN KEY (incident_id) REFERENCES incident(id)
alert: alert_is_accepted_for_a_time CHECK (((state <> 'accepted'::text) OR (accepted_until IS NOT NULL)))
alert: alert_is_found_in_order CHECK ((first_seen_at <= last_seen_at))
alert: alert_last_run_fkey FOREIGN KEY (last_run) REFERENCES sentinel_run(id)
alert: alert_pkey PRIMARY KEY (id)
alert: alert_previous_fkey FOREIGN KEY (previous) REFERENCES alert(id)
alert: alert_severity CHECK ((severity = ANY (ARRAY['critical'::text, 'warning'::text])))
alert: alert_was_seen CHECK ((times > 0))
api_key: api_key_name_is_taken UNIQUE (skeleton)
api_key: api_key_pkey PRIMARY KEY (id)
api_key: api_key_principal_id_fkey FOREIGN KEY (principal_id) REFERENCES principal(id)
api_key: api_key_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
api_key: api_key_scopes_are_named CHECK (((scopes IS NULL) OR (((cardinality(scopes) >= 1) AND (cardinality(scopes) <= 50)) AND (array_position(scopes, NULL::text) IS NULL) AND (array_to_string(scopes, ' '::text) ~ '^[a-z]+(-[a-z]+)*:[a-z]+(_[a-z]+)*( [a-z]+(-[a-z]+)*:[a-z]+(_[a-z]+)*)*$'::text))))
api_key: api_key_secret_is_unique UNIQUE (secret_hash)
api_key_secret: api_key_secret_api_key_id_fkey FOREIGN KEY (api_key_id) REFERENCES api_key(id)
api_key_secret: api_key_secret_is_counted CHECK ((number > 0))
api_key_secret: api_key_secret_is_new UNIQUE (secret_hash)
api_key_secret: api_key_secret_number_is_one UNIQUE (api_key_id, number)
api_key_secret: api_key_secret_pkey PRIMARY KEY (id)
approval_decision: approval_decision_checker_id_fkey FOREIGN KEY (checker_id) REFERENCES principal(id)
approval_decision: approval_decision_on_the_whole FOREIGN KEY (proposal_id, maker_id, payload_sha256, expires_at) REFERENCES approval_proposal(id, maker_id, payload_sha256, expires_at)
approval_decision: approval_decision_pkey PRIMARY KEY (proposal_id, checker_id)
approval_decision: approval_decision_session_id_fkey FOREIGN KEY (session_id) REFERENCES session(id)
approval_decision: approval_decision_word CHECK ((decision = ANY (ARRAY['approved'::text, 'rejected'::text, 'withdrawn'::text])))
approval_decision: approval_in_time CHECK (((decision <> 'approved'::text) OR (at <= expires_at)))
approval_decision: maker_is_not_checker CHECK (((decision <> 'approved'::text) OR (checker_id <> maker_id)))
approval_proposal: approval_proposal_hash_is_of_its_payload CHECK ((payload_sha256 = sha256(convert_to(canonical_json(payload), 'UTF8'::name)))) NOT VALID
approval_proposal: approval_proposal_is_hashed CHECK ((length(payload_sha256) = 32))
approval_proposal: approval_proposal_is_whole UNIQUE (id, maker_id, payload_sha256, expires_at)
approval_proposal: approval_proposal_lives_a_day CHECK ((expires_at = (made_at + '24:00:00'::interval)))
approval_proposal: approval_proposal_maker_id_fkey FOREIGN KEY (maker_id) REFERENCES principal(id)
approval_proposal: approval_proposal_pkey PRIMARY KEY (id)
approval_proposal: approval_proposal_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
approval_use: approval_leads_to_one_step UNIQUE (machine, subject_id, step)
approval_use: approval_use_pkey PRIMARY KEY (proposal_id)
approval_use: approval_use_proposal_id_fkey FOREIGN KEY (proposal_id) REFERENCES approval_proposal(id)
approving_role: approving_role_pkey PRIMARY KEY (machine)
asset: asset_code_is_short CHECK ((code ~ '^[A-Z][A-Z0-9]{1,11}$'::text))
asset: asset_pkey PRIMARY KEY (code)
asset: asset_scale_fits CHECK (((scale >= 0) AND (scale <= 12)))
backup: backup_has_bytes CHECK ((bytes > 0))
backup: backup_is_whole_when_kept CHECK (((state = ANY (ARRAY['running'::text, 'failed'::text])) OR ((finished_at IS NOT NULL) AND (snapshot_at IS NOT NULL) AND (log_size IS NOT NULL) AND (log_root IS NOT NULL) AND (migration IS NOT NULL) AND (server_version IS NOT NULL) AND (key_id IS NOT NULL) AND (bytes IS NOT NULL) AND (sha256 IS NOT NULL) AND (manifest_sha256 IS NOT NULL))))
backup: backup_kind CHECK ((kind = ANY (ARRAY['dump'::text, 'base'::text])))
backup: backup_log_root CHECK ((length(log_root) = 32))
backup: backup_log_size CHECK ((log_size >= 0))
backup: backup_manifest_sha256 CHECK ((length(manifest_sha256) = 32))
backup: backup_pkey PRIMARY KEY (id)
backup: backup_says_why_it_failed CHECK (((state <> 'failed'::text) OR ((error IS NOT NULL) AND (finished_at IS NOT NULL))))
backup: backup_sha256 CHECK ((length(sha256) = 32))
bank_file: bank_file_adds_up CHECK ((records = (new + known)))
bank_file: bank_file_envelope_is_whole CHECK ((length(envelope) >= 32))
bank_file: bank_file_is_imported_once UNIQUE (program_id, account, sha256)
bank_file: bank_file_pkey PRIMARY KEY (id)
bank_file: bank_file_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
bank_line: bank_line_envelope_is_whole CHECK ((length(envelope) >= 32))
bank_line: bank_line_file_id_fkey FOREIGN KEY (file_id) REFERENCES bank_file(id)
bank_line: bank_line_is_booked_once PRIMARY KEY (program_id, account, key)
bank_line: bank_line_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
bank_line_withdrawn: bank_line_is_withdrawn_once PRIMARY KEY (program_id, account, key)
bank_line_withdrawn: bank_line_withdrawn_file_id_fkey FOREIGN KEY (file_id) REFERENCES bank_file(id)
bank_line_withdrawn: bank_line_withdrawn_line FOREIGN KEY (program_id, account, key) REFERENCES bank_line(program_id, account, key)
bank_line_withdrawn: bank_line_withdrawn_why CHECK ((why = ANY (ARRAY['told in parts'::text, 'deleted'::text, 'corrected'::text])))
bank_report: bank_report_envelope_is_whole CHECK ((length(envelope) >= 32))
bank_report: bank_report_file_id_fkey FOREIGN KEY (file_id) REFERENCES payment_file(id)
bank_report: bank_report_is_hashed CHECK (((length(sha256) = 32) AND ((body IS NULL) OR (sha256 = sha256(body)))))
bank_report: bank_report_pkey PRIMARY KEY (id)
bank_report: bank_report_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
bank_statement: bank_statement_file_id_fkey FOREIGN KEY (file_id) REFERENCES bank_file(id)
bank_statement: bank_statement_number CHECK ((number > 0))
bank_statement: bank_statement_pkey PRIMARY KEY (file_id, number)
book: book_asset_fkey FOREIGN KEY (asset) REFERENCES asset(code)
book: book_is_opened_once UNIQUE (program_id, asset)
book: book_number_fits CHECK (((id >= 1) AND (id <= 8388607)))
book: book_pkey PRIMARY KEY (id)
book: book_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
break: break_at_stake_not_negative CHECK ((at_stake >= 0))
break: break_copies_another CHECK ((duplicate_of <> id))
break: break_days_in_order CHECK ((first_on <= last_on))
break: break_duplicate_of_fkey FOREIGN KEY (duplicate_of) REFERENCES break(id)
break: break_first_run_fkey FOREIGN KEY (first_run) REFERENCES reconciliation_run(id)
break: break_gone_run_fkey FOREIGN KEY (gone_run) REFERENCES reconciliation_run(id)
break: break_is_accepted_with_its_amount CHECK (((state <> 'accepted'::text) OR (accepted_at_stake IS NOT NULL)))
break: break_is_matched_by_a_run CHECK (((state <> 'matched'::text) OR (gone_run IS NOT NULL)))
break: break_last_run_fkey FOREIGN KEY (last_run) REFERENCES reconciliation_run(id)
break: break_pkey PRIMARY KEY (id)
break: break_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
break: break_recurs_of_another CHECK ((recurs_of <> id))
break: break_recurs_of_fkey FOREIGN KEY (recurs_of) REFERENCES break(id)
break: break_severity CHECK ((severity = ANY (ARRAY['low'::text, 'medium'::text, 'high'::text, 'critical'::text])))
break_proposal: break_proposal_break_id_fkey FOREIGN KEY (break_id) REFERENCES break(id)
break_proposal: break_proposal_is_hashed CHECK ((length(payload_sha256) = 32))
break_proposal: break_proposal_is_numbered_once UNIQUE (break_id, number)
break_proposal: break_proposal_is_whole UNIQUE (id, maker, payload_sha256, expires_at)
break_proposal: break_proposal_kind CHECK ((kind = ANY (ARRAY['adjustment'::text, 'write_off'::text])))
break_proposal: break_proposal_lives_a_day CHECK ((expires_at = (made_at + '24:00:00'::interval)))
break_proposal: break_proposal_moves_something CHECK ((minor > 0))
break_proposal: break_proposal_number CHECK ((number > 0))
break_proposal: break_proposal_pkey PRIMARY KEY (id)
break_proposal: write_off_within_limit CHECK ((((kind = 'write_off'::text) = (limit_minor IS NOT NULL)) AND (minor <= COALESCE(limit_minor, minor))))
break_remark: break_remark_break_id_fkey FOREIGN KEY (break_id) REFERENCES break(id)
break_remark: break_remark_kind CHECK ((kind = ANY (ARRAY['comment'::text, 'owner'::text])))
break_remark: break_remark_number CHECK ((number > 0))
break_remark: break_remark_pkey PRIMARY KEY (break_id, number)
break_remark: break_remark_size CHECK ((length(text) <= 2000))
call: call_has_a_horizon CHECK ((horizon_at > announced_at))
call: call_number_is_unique UNIQUE (subject_id, number)
call: call_number_positive CHECK ((number > 0))
call: call_payload_is_hashed CHECK ((length(payload_sha256) = 32))
call: call_pkey PRIMARY KEY (id)
call_answer: call_answer_applied_is_dated CHECK (((state = 'applied'::text) = (applied_at IS NOT NULL)))
call_answer: call_answer_id_fkey FOREIGN KEY (id) REFERENCES call(id)
call_answer: call_answer_kind CHECK ((kind = ANY (ARRAY['accepted'::text, 'later'::text, 'refused'::text, 'unclear'::text])))
call_answer: call_answer_pkey PRIMARY KEY (id)
call_answer: call_answer_state CHECK ((state = ANY (ARRAY['stored'::text, 'applied'::text])))
carbon_bill: carbon_bill_counts_once UNIQUE (program_id, source, reference)
carbon_bill: carbon_bill_period CHECK (((last_day >= first_day) AND (last_day <= (first_day + 366))))
carbon_bill: carbon_bill_pkey PRIMARY KEY (id)
carbon_bill: carbon_bill_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
carbon_bill: carbon_bill_reference CHECK (((length(reference) >= 1) AND (length(reference) <= 100)))
carbon_bill: carbon_bill_source CHECK (((length(source) >= 1) AND (length(source) <= 60)))
carbon_bill_line: carbon_bill_line_bill_id_fkey FOREIGN KEY (bill_id) REFERENCES carbon_bill(id) DEFERRABLE INITIALLY DEFERRED
carbon_bill_line: carbon_bill_line_energy CHECK (((watt_hours >= '-1000000000000000'::bigint) AND (watt_hours <= '1000000000000000'::bigint)))
carbon_bill_line: carbon_bill_line_grams CHECK (((grams >= '-1000000000000000'::bigint) AND (grams <= '1000000000000000'::bigint)))
carbon_bill_line: carbon_bill_line_pkey PRIMARY KEY (bill_id, region, day)
carbon_bill_line: carbon_bill_line_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
carbon_bill_line: carbon_bill_line_region CHECK ((region ~ '^[A-Z0-9_]{2,40}$'::text))
carbon_credit: carbon_credit_first CHECK ((first_serial > 0))
carbon_credit: carbon_credit_grams CHECK (((grams_each >= 1) AND (grams_each <= '1000000000000'::bigint)))
carbon_credit: carbon_credit_pkey PRIMARY KEY (id)
carbon_credit: carbon_credit_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
carbon_credit: carbon_credit_range CHECK (((last_serial >= first_serial) AND (last_serial <= (first_serial + 99999999))))
carbon_credit: carbon_credit_reference CHECK (((length(reference) >= 1) AND (length(reference) <= 200)))
carbon_credit: carbon_credit_registry CHECK (((length(registry) >= 1) AND (length(registry) <= 60)))
carbon_credit: carbon_credit_series CHECK (((length(series) >= 1) AND (length(series) <= 100)))
carbon_credit: carbon_credit_vintage CHECK (((vintage >= 1990) AND (vintage <= 2200)))
carbon_energy: carbon_energy_agent_id_fkey FOREIGN KEY (agent_id) REFERENCES agent(id)
carbon_energy: carbon_energy_counts_once UNIQUE (program_id, reference)
carbon_energy: carbon_energy_is_of_its_day CHECK (((starts_at < ends_at) AND (starts_at >= (day AT TIME ZONE 'UTC'::text)) AND (ends_at <= ((day + 1) AT TIME ZONE 'UTC'::text))))
carbon_energy: carbon_energy_pkey PRIMARY KEY (id)
carbon_energy: carbon_energy_positive CHECK (((watt_hours >= 1) AND (watt_hours <= '1000000000000'::bigint)))
carbon_energy: carbon_energy_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
carbon_energy: carbon_energy_reference CHECK (((length(reference) >= 1) AND (length(reference) <= 100)))
carbon_energy: carbon_energy_region CHECK ((region ~ '^[A-Z0-9_]{2,40}$'::text))
carbon_fetch: carbon_fetch_pkey PRIMARY KEY (region, day, at)
carbon_intensity: carbon_intensity_period CHECK (((period_s >= 1) AND (period_s <= 86400)))
carbon_intensity: carbon_intensity_pkey PRIMARY KEY (region, point_at, number)
carbon_intensity: carbon_intensity_value CHECK (((value >= (0)::numeric) AND (value <= (100000)::numeric)))
carbon_posting: carbon_posting_agent_id_fkey FOREIGN KEY (agent_id) REFERENCES agent(id)
carbon_posting: carbon_posting_moves CHECK ((grams <> 0))
carbon_posting: carbon_posting_number_is_one UNIQUE (agent_id, region, day, number)
carbon_posting: carbon_posting_pkey PRIMARY KEY (id)
carbon_posting: carbon_posting_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
carbon_posting: carbon_posting_total CHECK ((total >= 0))
carbon_retirement: carbon_retirement_agent_id_fkey FOREIGN KEY (agent_id) REFERENCES agent(id)
carbon_retirement: carbon_retirement_credit_id_fkey FOREIGN KEY (credit_id) REFERENCES carbon_credit(id)
carbon_retirement: carbon_retirement_pkey PRIMARY KEY (id)
carbon_retirement: carbon_retirement_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
carbon_retirement: carbon_retirement_range CHECK ((last_serial >= first_serial))
carbon_sync: carbon_sync_pkey PRIMARY KEY (id)
chain_gas: chain_gas_key_fkey FOREIGN KEY (key) REFERENCES chain_order(key)
chain_gas: chain_gas_number CHECK ((number > 0))
chain_gas: chain_gas_pkey PRIMARY KEY (key, number)
chain_gas: chain_gas_wei CHECK ((wei <> (0)::numeric))
chain_order: a_nonce_is_of_one_order UNIQUE (chain_id, sender, nonce)
chain_order: chain_order_amount CHECK ((amount > 0))
chain_order: chain_order_chain_id_sender_fkey FOREIGN KEY (chain_id, sender) REFERENCES chain_sender(chain_id, address)
chain_order: chain_order_gas CHECK ((gas > 0))
chain_order: chain_order_pkey PRIMARY KEY (key)
chain_order: chain_order_units CHECK (((units > (0)::numeric) AND (units = trunc(units)) AND (mod(units, (amount)::numeric) = (0)::numeric)))
chain_sender: chain_sender_address CHECK ((address ~ '^0x[0-9a-fA-F]{40}$'::text))
chain_sender: chain_sender_block CHECK ((seen_block >= 0))
chain_sender: chain_sender_chain CHECK ((chain_id > 0))
chain_sender: chain_sender_nonce CHECK ((next_nonce >= 0))
chain_sender: chain_sender_pkey PRIMARY KEY (chain_id, address)
chain_sighting: chain_sighting_gas CHECK ((gas_wei >= (0)::numeric))
chain_sighting: chain_sighting_key_fkey FOREIGN KEY (key) REFERENCES chain_order(key)
chain_sighting: chain_sighting_number CHECK ((number > 0))
chain_sighting: chain_sighting_of_a_block CHECK ((((state = ANY (ARRAY['mined'::text, 'final'::text, 'taken'::text])) = (block IS NOT NULL)) AND ((state = ANY (ARRAY['mined'::text, 'final'::text])) = (block_hash IS NOT NULL)) AND ((state = ANY (ARRAY['mined'::text, 'final'::text])) = (gas_wei IS NOT NULL))))
chain_sighting: chain_sighting_pkey PRIMARY KEY (key, number)
chain_sighting: chain_sighting_state CHECK ((state = ANY (ARRAY['waiting'::text, 'pooled'::text, 'mined'::text, 'final'::text, 'taken'::text])))
chain_transaction: chain_transaction_fee CHECK ((fee_wei > (0)::numeric))
chain_transaction: chain_transaction_hash CHECK ((hash ~ '^0x[0-9a-f]{64}$'::text))
chain_transaction: chain_transaction_key_fkey FOREIGN KEY (key) REFERENCES chain_order(key)
chain_transaction: chain_transaction_key_number_key UNIQUE (key, number)
chain_transaction: chain_transaction_number CHECK ((number > 0))
chain_transaction: chain_transaction_pkey PRIMARY KEY (hash)
chain_transaction: chain_transaction_tip CHECK (((tip_wei >= (0)::numeric) AND (tip_wei <= fee_wei)))
chargeback: chargeback_asset_fkey FOREIGN KEY (asset) REFERENCES asset(code)
chargeback: chargeback_beyond CHECK (((beyond >= 0) AND (beyond <= amount)))
chargeback: chargeback_excess CHECK (((excess >= 0) AND ((excess + beyond) <= amount)))
chargeback: chargeback_fee CHECK ((fee >= 0))
chargeback: chargeback_fee_back CHECK (((fee_back >= 0) AND (fee_back <= fee)))
chargeback: chargeback_invoice_id_fkey FOREIGN KEY (invoice_id) REFERENCES invoice(id)
chargeback: chargeback_is_named CHECK (((length(provider_ref) >= 1) AND (length(provider_ref) <= 200)))
chargeback: chargeback_is_told_once UNIQUE (provider, provider_ref)
chargeback: chargeback_payment_id_fkey FOREIGN KEY (payment_id) REFERENCES payment(id)
chargeback: chargeback_pkey PRIMARY KEY (id)
chargeback: chargeback_positive CHECK ((amount > 0))
chargeback: chargeback_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
chargeback_conflict: chargeback_conflict_chargeback_id_fkey FOREIGN KEY (chargeback_id) REFERENCES chargeback(id)
chargeback_conflict: chargeback_conflict_is_told_once UNIQUE (chargeback_id, said_sha256)
chargeback_conflict: chargeback_conflict_pkey PRIMARY KEY (id)
chargeback_conflict: chargeback_conflict_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
chargeback_debt: chargeback_debt_chargeback_id_fkey FOREIGN KEY (chargeback_id) REFERENCES chargeback(id)
chargeback_debt: chargeback_debt_entry_id_fkey FOREIGN KEY (entry_id) REFERENCES customer_debt_entry(id)
chargeback_debt: chargeback_debt_pkey PRIMARY KEY (chargeback_id, entry_id)
chargeback_debt: chargeback_debt_positive CHECK ((amount > 0))
chargeback_escrow: chargeback_escrow_chargeback_id_fkey FOREIGN KEY (chargeback_id) REFERENCES chargeback(id)
chargeback_escrow: chargeback_escrow_escrow_id_fkey FOREIGN KEY (escrow_id) REFERENCES escrow(id)
chargeback_escrow: chargeback_escrow_pkey PRIMARY KEY (chargeback_id, escrow_id)
chargeback_escrow: chargeback_escrow_positive CHECK ((amount > 0))
chargeback_refund: chargeback_refund_chargeback_id_fkey FOREIGN KEY (chargeback_id) REFERENCES chargeback(id)
chargeback_refund: chargeback_refund_pkey PRIMARY KEY (chargeback_id, refund_id)
chargeback_refund: chargeback_refund_positive CHECK ((amount > 0))
chargeback_refund: chargeback_refund_refund_id_fkey FOREIGN KEY (refund_id) REFERENCES refund(id)
chargeback_repaid: chargeback_repaid_chargeback_id_fkey FOREIGN KEY (chargeback_id) REFERENCES chargeback(id)
chargeback_repaid: chargeback_repaid_pkey PRIMARY KEY (chargeback_id)
chargeback_repaid: chargeback_repaid_positive CHECK ((amount > 0))
chargeback_repaid: chargeback_repaid_unidentified_payment_id_fkey FOREIGN KEY (unidentified_payment_id) REFERENCES unidentified_repayment(unidentified_payment_id)
chargeback_ruling: chargeback_ruling_chargeback_id_fkey FOREIGN KEY (chargeback_id) REFERENCES chargeback(id)
chargeback_ruling: chargeback_ruling_outcome CHECK ((outcome = ANY (ARRAY['won'::text, 'lost'::text])))
chargeback_ruling: chargeback_ruling_pkey PRIMARY KEY (chargeback_id)
chargeback_ruling: chargeback_ruling_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
circuit: circuit_failures_counted CHECK ((failures >= 0))
circuit: circuit_is_one_of_each UNIQUE (provider, queue)
circuit: circuit_names_a_provider CHECK ((provider <> ''::text))
circuit: circuit_names_a_queue CHECK ((queue <> ''::text))
circuit: circuit_open_is_dated CHECK (((state = 'closed'::text) OR ((opened_at IS NOT NULL) AND (probe_at IS NOT NULL))))
circuit: circuit_pkey PRIMARY KEY (id)
circuit: circuit_window_adds_up CHECK (((window_failures >= 0) AND (window_failures <= window_calls)))
client_money: client_money_adds_up CHECK ((difference = ((held + in_transit) - owed)))
client_money: client_money_asset_fkey FOREIGN KEY (asset) REFERENCES asset(code)
client_money: client_money_is_made_once UNIQUE (program_id, asset, on_day, sha256)
client_money: client_money_pkey PRIMARY KEY (id)
client_money: client_money_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
client_money_signature: client_money_signature_client_money_id_fkey FOREIGN KEY (client_money_id) REFERENCES client_money(id)
client_money_signature: client_money_signature_pkey PRIMARY KEY (client_money_id)
client_money_signature: client_money_signature_says_what_was_done CHECK (((length(action_taken) >= 1) AND (length(action_taken) <= 2000)))
commission: commission_asset_fkey FOREIGN KEY (asset) REFERENCES asset(code)
commission: commission_of_a_level_is_one UNIQUE (sale_id, level)
commission: commission_paid_with_its_payment CHECK (((payment_id IS NULL) = (paid IS NULL)))
commission: commission_paid_within CHECK (((paid >= 1) AND (paid <= amount)))
commission: commission_payment_id_fkey FOREIGN KEY (payment_id) REFERENCES commission_payment(id)
commission: commission_pkey PRIMARY KEY (id)
commission: commission_positive CHECK ((amount > 0))
commission: commission_program_id_affiliate_id_fkey FOREIGN KEY (program_id, affiliate_id) REFERENCES affiliate(program_id, id)
commission: commission_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
commission: commission_sale_id_fkey FOREIGN KEY (sale_id) REFERENCES commission_sale(id)
commission: commission_taken_back_within CHECK (((taken_back >= 0) AND (taken_back <= amount)))
commission_payment: commission_payment_adds_up CHECK ((amount = (earned - netted)))
commission_payment: commission_payment_pkey PRIMARY KEY (id)
commission_payment: commission_payment_positive CHECK ((amount > 0))
commission_payment: commission_payment_program_id_affiliate_id_fkey FOREIGN KEY (program_id, affiliate_id) REFERENCES affiliate(program_id, id)
commission_payment: commission_payment_program_id_asset_rate_version_fkey FOREIGN KEY (program_id, asset, rate_version) REFERENCES commission_rate(program_id, asset, version)
commission_payment: commission_payment_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
commission_rate: commission_rate_asset_fkey FOREIGN KEY (asset) REFERENCES asset(code)
commission_rate: commission_rate_base CHECK ((base = ANY (ARRAY['gross'::text, 'net_of_platform'::text, 'platform_fee'::text])))
commission_rate: commission_rate_cap CHECK (((cap_bps >= 1) AND (cap_bps <= 10000)))
commission_rate: commission_rate_days CHECK (((mature_days >= 0) AND (mature_days <= 3650)))
commission_rate: commission_rate_levels CHECK ((((cardinality(levels) >= 1) AND (cardinality(levels) <= 10)) AND (1 <= ALL (levels)) AND (array_position(levels, NULL::integer) IS NULL)))
commission_rate: commission_rate_looks_ahead CHECK ((effective_at >= recorded_at))
commission_rate: commission_rate_minimum CHECK ((minimum >= 0))
commission_rate: commission_rate_mode CHECK ((mode = ANY (ARRAY['rates'::text, 'pool'::text])))
commission_rate: commission_rate_pkey PRIMARY KEY (program_id, asset, version)
commission_rate: commission_rate_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
commission_rate: commission_rate_version CHECK ((version > 0))
commission_reversal: commission_reversal_commission_id_fkey FOREIGN KEY (commission_id) REFERENCES commission(id)
commission_reversal: commission_reversal_number_is_one UNIQUE (commission_id, number)
commission_reversal: commission_reversal_of_something CHECK ((amount <> 0))
commission_reversal: commission_reversal_pkey PRIMARY KEY (id)
commission_reversal: commission_reversal_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
commission_sale: commission_path_says_who_earns CHECK ((cardinality(path) = cardinality(earns)))
commission_sale: commission_path_size CHECK (((cardinality(path) >= 1) AND (cardinality(path) <= 10)))
commission_sale: commission_sale_asset_fkey FOREIGN KEY (asset) REFERENCES asset(code)
commission_sale: commission_sale_pkey PRIMARY KEY (id)
commission_sale: commission_sale_program_id_asset_rate_version_fkey FOREIGN KEY (program_id, asset, rate_version) REFERENCES commission_rate(program_id, asset, version)
commission_sale: commission_sale_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
credit_note: credit_note_adds_up CHECK (((against_due >= 0) AND (refunded >= 0) AND (amount = (against_due + refunded))))
credit_note: credit_note_asset_fkey FOREIGN KEY (asset) REFERENCES asset(code)
credit_note: credit_note_invoice_id_fkey FOREIGN KEY (invoice_id) REFERENCES invoice(id)
credit_note: credit_note_names_its_refund CHECK (((refund_id IS NOT NULL) = (refunded > 0)))
credit_note: credit_note_pkey PRIMARY KEY (id)
credit_note: credit_note_positive CHECK ((amount > 0))
credit_note: credit_note_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
credit_note: credit_note_refund_id_fkey FOREIGN KEY (refund_id) REFERENCES refund(id)
customer_debt_entry: customer_debt_entry_asset_fkey FOREIGN KEY (asset) REFERENCES asset(code)
customer_debt_entry: customer_debt_entry_kind CHECK ((kind = ANY (ARRAY['paid'::text, 'written_off'::text])))
customer_debt_entry: customer_debt_entry_payment_id_fkey FOREIGN KEY (payment_id) REFERENCES payment(id)
customer_debt_entry: customer_debt_entry_pkey PRIMARY KEY (id)
customer_debt_entry: customer_debt_entry_positive CHECK ((amount > 0))
customer_debt_entry: customer_debt_entry_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
customer_debt_entry: customer_debt_entry_reference CHECK (((length(reference) >= 1) AND (length(reference) <= 200)))
customer_debt_entry: customer_debt_entry_says_how CHECK (
CASE kind
    WHEN 'paid'::text THEN ((provider IS NOT NULL) AND (reference IS NOT NULL) AND ((provider = 'bank'::text) = (payment_id IS NULL)))
    ELSE ((provider IS NULL) AND (reference IS NULL) AND (payment_id IS NULL))
END)
destination: destination_envelope_is_whole CHECK ((length(envelope) >= 32))
destination: destination_envelope_size CHECK ((length(envelope) <= 2000))
destination: destination_fingerprint_is_whole CHECK ((length(fingerprint) = 36))
destination: destination_pkey PRIMARY KEY (id)
destination: destination_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
destination: destination_that_is_over_ended CHECK (((state <> 'ended'::text) OR (ended_at IS NOT NULL)))
destination: destination_token_size CHECK (((length(token) >= 1) AND (length(token) <= 200)))
dispute: dispute_asset_fkey FOREIGN KEY (asset) REFERENCES asset(code)
dispute: dispute_books_no_more_than_is_ruled CHECK (((booked >= 0) AND (booked <= refund)))
dispute: dispute_has_a_cause CHECK (((length(cause) >= 1) AND (length(cause) <= 2000)))
dispute: dispute_invoice_id_fkey FOREIGN KEY (invoice_id) REFERENCES invoice(id)
dispute: dispute_is_about_something CHECK ((exposure > 0))
dispute: dispute_level CHECK (((level >= 0) AND (level <= 3)))
dispute: dispute_outcome CHECK ((outcome = ANY (ARRAY['provider_win'::text, 'customer_win'::text, 'partial'::text])))
dispute: dispute_pkey PRIMARY KEY (id)
dispute: dispute_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
dispute: dispute_refund_id_fkey FOREIGN KEY (refund_id) REFERENCES refund(id)
dispute: dispute_refund_not_negative CHECK ((refund >= 0))
dispute: dispute_ruling_is_whole CHECK (((outcome IS NULL) = (refund IS NULL)))
dispute_evidence: dispute_evidence_dispute_id_fkey FOREIGN KEY (dispute_id) REFERENCES dispute(id)
dispute_evidence: dispute_evidence_is_given_once UNIQUE (dispute_id, sha256)
dispute_evidence: dispute_evidence_is_its_hash CHECK ((sha256 = sha256(content)))
dispute_evidence: dispute_evidence_name CHECK (((length(name) >= 1) AND (length(name) <= 200)))
dispute_evidence: dispute_evidence_number CHECK ((number > 0))
dispute_evidence: dispute_evidence_pkey PRIMARY KEY (dispute_id, number)
dispute_evidence: dispute_evidence_sha256 CHECK ((length(sha256) = 32))
dispute_evidence: dispute_evidence_size CHECK (((length(content) >= 1) AND (length(content) <= 5000000)))
drill: drill_ends_with_evidence CHECK ((((state <> ALL (ARRAY['passed'::text, 'failed'::text])) OR (finished_at IS NOT NULL)) AND ((state <> 'passed'::text) OR ((evidence IS NOT NULL) AND (error IS NULL)))))
drill: drill_lost_entries CHECK ((lost_entries >= 0))
drill: drill_lost_time CHECK ((lost_s >= 0))
drill: drill_pkey PRIMARY KEY (id)
drill: drill_that_ended_has_its_result CHECK (((state <> ALL (ARRAY['passed'::text, 'failed'::text, 'withdrawn'::text])) OR ((finished_at IS NOT NULL) AND (evidence IS NOT NULL)))) NOT VALID
drill: drill_took_time CHECK ((restore_ms >= 0))
drill: restore_drill_passes_by_its_measures CHECK (((state <> 'passed'::text) OR (name <> ALL (ARRAY['restore'::text, 'recovery'::text])) OR ((backup_id IS NOT NULL) AND (restore_ms IS NOT NULL) AND (lost_s IS NOT NULL) AND (lost_entries IS NOT NULL) AND root_matches)))
drill_check: drill_check_drill_id_fkey FOREIGN KEY (drill_id) REFERENCES drill(id)
drill_check: drill_check_outcome CHECK ((outcome = ANY (ARRAY['passed'::text, 'failed'::text, 'not_checked'::text])))
drill_check: drill_check_pkey PRIMARY KEY (drill_id, place)
drill_check: drill_check_place CHECK ((place > 0))
drill_check: drill_check_told CHECK (((length(told) >= 1) AND (length(told) <= 4000)))
escrow: escrow_active_is_funded CHECK (((state <> ALL (ARRAY['active'::text, 'disputed'::text])) OR (funded = amount)))
escrow: escrow_amount_positive CHECK ((amount > 0))
escrow: escrow_asset_fkey FOREIGN KEY (asset) REFERENCES asset(code)
escrow: escrow_expires_later CHECK ((expires_at > created_at))
escrow: escrow_funded_within_amount CHECK (((funded >= 0) AND (funded <= amount)))
escrow: escrow_gives_no_more_than_it_has CHECK (((released >= 0) AND (refunded >= 0) AND ((released + refunded) <= funded)))
escrow: escrow_over_holds_nothing CHECK (((state <> ALL (ARRAY['released'::text, 'refunded'::text, 'split'::text, 'expired'::text])) OR ((released + refunded) = funded)))
escrow: escrow_pkey PRIMARY KEY (id)
escrow: escrow_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
escrow: escrow_program_id_rate_version_fkey FOREIGN KEY (program_id, rate_version) REFERENCES fee_rate(program_id, version)
escrow: escrow_reference_size CHECK (((length(reference) >= 1) AND (length(reference) <= 200)))
escrow: escrow_repaid_within_refunded CHECK (((repaid >= 0) AND (repaid <= refunded)))
escrow_condition: escrow_condition_escrow_id_fkey FOREIGN KEY (escrow_id) REFERENCES escrow(id)
escrow_condition: escrow_condition_number CHECK (((number >= 1) AND (number <= 20)))
escrow_condition: escrow_condition_pkey PRIMARY KEY (escrow_id, number)
escrow_condition: escrow_condition_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
escrow_condition: escrow_condition_says_what CHECK (
CASE kind
    WHEN 'time'::text THEN ((not_before IS NOT NULL) AND (cardinality(signers) = 0) AND (needed IS NULL) AND (least_micro IS NULL))
    WHEN 'signature'::text THEN ((not_before IS NULL) AND (cardinality(signers) = 1) AND (needed = 1) AND (least_micro IS NULL))
    WHEN 'm_of_n'::text THEN ((not_before IS NULL) AND ((cardinality(signers) >= 2) AND (cardinality(signers) <= 20)) AND ((needed >= 1) AND (needed <= cardinality(signers))) AND (least_micro IS NULL))
    WHEN 'usage'::text THEN ((not_before IS NULL) AND (cardinality(signers) = 0) AND (needed IS NULL) AND (least_micro > 0))
    WHEN 'score'::text THEN ((not_before IS NULL) AND (cardinality(signers) = 0) AND (needed IS NULL) AND (least_micro >= 0))
    ELSE false
END)
escrow_evidence: escrow_evidence_escrow_id_condition_fkey FOREIGN KEY (escrow_id, condition) REFERENCES escrow_condition(escrow_id, number)
escrow_evidence: escrow_evidence_pkey PRIMARY KEY (id)
escrow_evidence: escrow_evidence_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
escrow_evidence: escrow_evidence_score CHECK ((score_micro >= 0))
escrow_movement: escrow_funding_by_a_provider_has_its_payment CHECK (((kind <> 'fund'::text) OR ((provider = 'bank'::text) = (payment_id IS NULL))))
escrow_movement: escrow_movement_by_ruling CHECK (((NOT by_ruling) OR (kind = ANY (ARRAY['release'::text, 'refund'::text]))))
escrow_movement: escrow_movement_escrow_id_fkey FOREIGN KEY (escrow_id) REFERENCES escrow(id)
escrow_movement: escrow_movement_has_a_payment CHECK (((payment_id IS NULL) OR (kind = 'fund'::text)))
escrow_movement: escrow_movement_kind CHECK ((kind = ANY (ARRAY['fund'::text, 'release'::text, 'refund'::text, 'expire'::text, 'repay'::text, 'charge_back'::text, 'set_off'::text])))
escrow_movement: escrow_movement_names_the_other_side CHECK (((kind = ANY (ARRAY['fund'::text, 'repay'::text, 'charge_back'::text, 'set_off'::text])) = ((provider IS NOT NULL) AND (reference IS NOT NULL))))
escrow_movement: escrow_movement_number_is_one UNIQUE (escrow_id, number)
escrow_movement: escrow_movement_payment_id_fkey FOREIGN KEY (payment_id) REFERENCES payment(id)
escrow_movement: escrow_movement_pkey PRIMARY KEY (id)
escrow_movement: escrow_movement_positive CHECK ((amount > 0))
escrow_movement: escrow_movement_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
escrow_movement: escrow_movement_reference CHECK (((length(reference) >= 1) AND (length(reference) <= 200)))
escrow_movement: escrow_release_adds_up CHECK (((LEAST(platform_fee, validator_fee, net) >= 0) AND
CASE
    WHEN (kind = 'release'::text) THEN (amount = ((platform_fee + validator_fee) + net))
    ELSE (((platform_fee + validator_fee) + net) = 0)
END))
event: event_level CHECK ((level = ANY (ARRAY['debug'::text, 'info'::text, 'warning'::text, 'critical'::text])))
event: event_pkey PRIMARY KEY (id)
fee_limit: fee_limit_asset_fkey FOREIGN KEY (asset) REFERENCES asset(code)
fee_limit: fee_limit_fixed CHECK ((fixed >= 0))
fee_limit: fee_limit_maximum CHECK ((maximum >= minimum))
fee_limit: fee_limit_minimum CHECK ((minimum >= 0))
fee_limit: fee_limit_pkey PRIMARY KEY (program_id, version, asset)
fee_limit: fee_limit_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
fee_limit: fee_limit_program_id_version_fkey FOREIGN KEY (program_id, version) REFERENCES fee_rate(program_id, version)
fee_rate: fee_rate_pkey PRIMARY KEY (program_id, version)
fee_rate: fee_rate_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
fee_rate: fee_rate_version_positive CHECK ((version > 0))
fee_rate: fee_rates_leave_something CHECK (((platform_bps >= 0) AND (validator_bps >= 0) AND (holdback_bps >= 0) AND (((platform_bps + validator_bps) + holdback_bps) <= 10000)))
fee_term: fee_term_pkey PRIMARY KEY (program_id, version)
fee_term: fee_term_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
fee_term: fee_term_program_id_version_fkey FOREIGN KEY (program_id, version) REFERENCES fee_rate(program_id, version)
hold: hold_amount_fits CHECK (((amount >= 1) AND (amount <= '1000000000000000000'::bigint)))
hold: hold_expires_after_it_is_taken CHECK ((expires_at > taken_at))
hold: hold_kind_is_short CHECK (((length(kind) >= 1) AND (length(kind) <= 64)))
hold: hold_lies_between_two_accounts CHECK ((debit <> credit))
hold: hold_names_its_source_whole CHECK (((source_type IS NULL) = (source_id IS NULL)))
hold: hold_narrative_is_short CHECK ((length(narrative) <= 2000))
hold: hold_pkey PRIMARY KEY (id)
hold: hold_stays_in_its_book CHECK (((debit >> 40) = (credit >> 40)))
hold: hold_that_is_promised_does_not_expire CHECK (((NOT promised) OR ((expires_at IS NULL) AND (source_id IS NOT NULL))))
hold_resolution: hold_is_resolved_once PRIMARY KEY (hold_id)
hold_resolution: hold_posting_resolves_one_hold UNIQUE (journal_id, line)
hold_resolution: hold_resolution_amount_is_not_negative CHECK ((amount >= 0))
hold_resolution: hold_resolution_hold_id_fkey FOREIGN KEY (hold_id) REFERENCES hold(id)
hold_resolution: hold_resolution_posts_when_it_says_so CHECK ((((verb = 'post'::text) = (amount > 0)) AND ((verb = 'post'::text) = (journal_id IS NOT NULL)) AND ((journal_id IS NULL) = (line IS NULL))))
hold_resolution: hold_resolution_verb_is_known CHECK ((verb = ANY (ARRAY['post'::text, 'void'::text, 'expire'::text])))
holdback_term: holdback_days_in_range CHECK (((days >= 0) AND (days <= 3650)))
holdback_term: holdback_term_pkey PRIMARY KEY (program_id, version)
holdback_term: holdback_term_program_id_version_fkey FOREIGN KEY (program_id, version) REFERENCES fee_rate(program_id, version)
holdback_tranche: holdback_tranche_asset_fkey FOREIGN KEY (asset) REFERENCES asset(code)
holdback_tranche: holdback_tranche_is_one UNIQUE (settlement_id, number)
holdback_tranche: holdback_tranche_number CHECK ((number > 0))
holdback_tranche: holdback_tranche_pkey PRIMARY KEY (id)
holdback_tranche: holdback_tranche_positive CHECK ((amount > 0))
holdback_tranche: holdback_tranche_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
holdback_tranche: holdback_tranche_settlement_id_fkey FOREIGN KEY (settlement_id) REFERENCES settlement(id)
holdback_use: holdback_use_pkey PRIMARY KEY (tranche_id, refund_id)
holdback_use: holdback_use_positive CHECK ((amount > 0))
holdback_use: holdback_use_refund_id_fkey FOREIGN KEY (refund_id) REFERENCES refund(id)
holdback_use: holdback_use_tranche_id_fkey FOREIGN KEY (tranche_id) REFERENCES holdback_tranche(id)
idempotency: idempotency_holder_is_short CHECK (((length(holder) >= 1) AND (length(holder) <= 80)))
idempotency: idempotency_key_is_short CHECK (((length(key) >= 1) AND (length(key) <= 255)))
idempotency: idempotency_pkey PRIMARY KEY (scope, key)
idempotency: idempotency_request_is_hashed CHECK ((length(sha256) = 32))
incident: incident_is_closed_at_a_time CHECK (((state <> 'closed'::text) OR (closed_at IS NOT NULL)))
incident: incident_level CHECK ((level = ANY (ARRAY['P0'::text, 'P1'::text, 'P2'::text, 'P3'::text])))
incident: incident_pkey PRIMARY KEY (id)
incident: incident_post_mortem_size CHECK (((length(post_mortem) >= 1) AND (length(post_mortem) <= 20000)))
intent: intent_invoice_id_fkey FOREIGN KEY (invoice_id) REFERENCES invoice(id)
intent: intent_of_an_invoice_is_one UNIQUE (invoice_id)
intent: intent_pkey PRIMARY KEY (id)
intent: intent_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
invoice: invoice_asks_no_less_than_was_paid CHECK ((((paid + credited) + written_off) <= total))
invoice: invoice_asset_fkey FOREIGN KEY (asset) REFERENCES asset(code)
invoice: invoice_carries_a_fraction_in CHECK (((carried_in >= 0) AND (carried_in <= '999999999999'::bigint)))
invoice: invoice_carries_a_fraction_out CHECK (((carried_out >= 0) AND (carried_out <= '999999999999'::bigint)))
invoice: invoice_carries_in_and_out CHECK (((carried_in IS NULL) = (carried_out IS NULL)))
invoice: invoice_credited_not_negative CHECK ((credited >= 0))
invoice: invoice_is_paid_in_full CHECK (((state <> 'paid'::text) OR ((paid + credited) = total)))
invoice: invoice_is_written_off_whole CHECK (((written_off = 0) OR ((state = 'cancelled'::text) AND (((paid + credited) + written_off) = total))))
invoice: invoice_paid_within_total CHECK (((paid >= 0) AND (paid <= total)))
invoice: invoice_pkey PRIMARY KEY (id)
invoice: invoice_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
invoice: invoice_total_positive CHECK ((total > 0))
invoice: invoice_written_off_not_negative CHECK ((written_off >= 0))
invoice_write_off: invoice_is_written_off_once UNIQUE (invoice_id)
invoice_write_off: invoice_write_off_asset_fkey FOREIGN KEY (asset) REFERENCES asset(code)
invoice_write_off: invoice_write_off_invoice_id_fkey FOREIGN KEY (invoice_id) REFERENCES invoice(id)
invoice_write_off: invoice_write_off_pkey PRIMARY KEY (id)
invoice_write_off: invoice_write_off_positive CHECK ((amount > 0))
invoice_write_off: invoice_write_off_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
journal: journal_has_lines CHECK ((lines > 0))
journal: journal_key_is_short CHECK (((length(key) >= 1) AND (length(key) <= 255)))
journal: journal_key_is_used_once UNIQUE (program_id, key)
journal: journal_kind_is_short CHECK (((length(kind) >= 1) AND (length(kind) <= 64)))
journal: journal_names_its_source_whole CHECK (((source_type IS NULL) = (source_id IS NULL)))
journal: journal_narrative_is_short CHECK ((length(narrative) <= 2000))
journal: journal_pkey PRIMARY KEY (id)
journal: journal_request_is_hashed CHECK ((length(request_hash) = 32))
journal: journal_reverses_a_line_of_a_journal CHECK (((reverses_line IS NULL) OR (reverses IS NOT NULL)))
journal_import: journal_import_counts_rows CHECK ((rows >= 0))
journal_import: journal_import_pkey PRIMARY KEY (id)
journal_import: journal_import_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
journal_import_step: journal_import_step_import_id_fkey FOREIGN KEY (import_id) REFERENCES journal_import(id)
journal_import_step: journal_import_step_is_taken_once PRIMARY KEY (import_id, rows_done)
journal_import_step: journal_import_step_moves_on CHECK ((rows_done > 0))
journal_key_moved: journal_key_moved_journal_id_fkey FOREIGN KEY (journal_id) REFERENCES journal(id)
journal_key_moved: journal_key_moved_pkey PRIMARY KEY (journal_id)
key_space: key_space_pkey PRIMARY KEY (word)
key_space: key_space_word_is_short CHECK (((length(word) >= 1) AND (length(word) <= 40)))
late_posting: late_posting_pkey PRIMARY KEY (journal_id, line)
log_boundary: log_boundary_pkey PRIMARY KEY (at)
log_boundary: log_boundary_size_is_not_negative CHECK ((size >= 0))
log_checkpoint: log_checkpoint_key_id_fkey FOREIGN KEY (key_id) REFERENCES log_key(id)
log_checkpoint: log_checkpoint_pkey PRIMARY KEY (size)
log_checkpoint: log_checkpoint_root_is_a_hash CHECK ((length(root) = 32))
log_checkpoint: log_checkpoint_size_is_not_negative CHECK ((size >= 0))
log_entry: log_begins_at_zero CHECK ((index >= 0))
log_entry: log_entry_pkey PRIMARY KEY (index)
log_entry: log_leaf_is_hashed CHECK ((leaf_hash = sha256(('\x00'::bytea || convert_to(record, 'UTF8'::name)))))
log_entry: log_takes_a_record_once UNIQUE (relation, row_id)
log_key: log_key_envelope_is_whole CHECK ((length(envelope) >= 32))
log_key: log_key_is_ed25519 CHECK ((length(public_key) = 32))
log_key: log_key_is_made_once UNIQUE (public_key)
log_key: log_key_pkey PRIMARY KEY (id)
log_key_change: log_key_change_before_id_fkey FOREIGN KEY (before_id) REFERENCES log_key(id)
log_key_change: log_key_change_cause_is_known CHECK ((cause = ANY (ARRAY['planned'::text, 'stolen'::text, 'lost'::text])))
log_key_change: log_key_change_key_id_fkey FOREIGN KEY (key_id) REFERENCES log_key(id)
log_key_change: log_key_change_pkey PRIMARY KEY (key_id)
log_key_change: log_key_change_size_is_not_negative CHECK ((size >= 0))
log_key_change: log_key_is_changed_for_another CHECK ((key_id <> before_id))
log_key_change: log_key_is_changed_once UNIQUE (before_id)
log_key_quantum: log_key_quantum_is_ml_dsa_44 CHECK ((length(public_key) = 1312))
log_key_quantum: log_key_quantum_key_id_fkey FOREIGN KEY (key_id) REFERENCES log_key(id)
log_key_quantum: log_key_quantum_pkey PRIMARY KEY (key_id)
log_key_quantum: log_key_quantum_size_is_not_negative CHECK ((size >= 0))
log_left: log_left_is_one CHECK (only_row)
log_left: log_left_pkey PRIMARY KEY (only_row)
log_left: log_left_size CHECK ((size >= 0))
log_origin: log_has_one_origin CHECK (one)
log_origin: log_origin_is_short CHECK ((origin ~ '^[A-Za-z0-9./_-]{1,200}$'::text))
log_origin: log_origin_pkey PRIMARY KEY (one)
log_position: log_has_one_position CHECK (one)
log_position: log_position_pkey PRIMARY KEY (one)
log_subtree: log_subtree_height_is_kept CHECK ((height = ANY (ARRAY[8, 16, 24, 32, 40])))
log_subtree: log_subtree_is_a_hash CHECK ((length(hash) = 32))
log_subtree: log_subtree_is_computed_once PRIMARY KEY (height, index)
login_attempt: login_attempt_browser_is_hashed CHECK ((length(browser_sha256) = 32))
login_attempt: login_attempt_pkey PRIMARY KEY (state_sha256)
login_attempt: login_attempt_state_is_hashed CHECK ((length(state_sha256) = 32))
login_subject: login_subject_length CHECK (((length(subject) >= 1) AND (length(subject) <= 255)))
login_subject: login_subject_pkey PRIMARY KEY (id)
login_subject: login_subject_principal_id_fkey FOREIGN KEY (principal_id) REFERENCES principal(id)
metric_reach: metric_reach_pkey PRIMARY KEY (name)
metric_sum: metric_sum_counts CHECK ((number >= 0))
metric_sum: metric_sum_name_fkey FOREIGN KEY (name) REFERENCES metric_reach(name)
metric_sum: metric_sum_pkey PRIMARY KEY (name, labels)
migration: migration_pkey PRIMARY KEY (number)
minute_sample: minute_sample_is_whole CHECK ((date_trunc('minute'::text, (minute AT TIME ZONE 'UTC'::text)) = (minute AT TIME ZONE 'UTC'::text)))
minute_sample: minute_sample_pkey PRIMARY KEY (minute)
minute_sample: minute_sample_says_why CHECK ((COALESCE(available, true) = (why_not IS NULL)))
minute_sample: minute_sample_took_time CHECK ((answered_ms >= 0))
money_queue: money_queue_pkey PRIMARY KEY (queue)
monitor_round: monitor_round_comes_back CHECK ((every_s > 0))
monitor_round: monitor_round_is_one CHECK (only_row)
monitor_round: monitor_round_pkey PRIMARY KEY (only_row)
not_kept_to_program: not_kept_to_program_pkey PRIMARY KEY (relation)
notice: notice_has_a_channel CHECK ((channel <> ''::text))
notice: notice_has_a_title CHECK (((length(title) >= 1) AND (length(title) <= 300)))
notice: notice_is_short CHECK ((length(body) <= 10000))
notice: notice_level CHECK ((level = ANY (ARRAY['info'::text, 'warning'::text, 'critical'::text])))
notice: notice_pkey PRIMARY KEY (id)
notice: notice_recipient_is_short CHECK ((length(recipient) <= 254))
notice: notice_tells_something CHECK ((times > 0))
notice_attempt: notice_attempt_notice_id_fkey FOREIGN KEY (notice_id) REFERENCES notice(id)
notice_attempt: notice_attempt_pkey PRIMARY KEY (notice_id, fence)
notice_attempt: notice_attempt_says_why CHECK ((taken = (error IS NULL)))
open_hold: open_hold_pkey PRIMARY KEY (hold_id)
overpayment: overpayment_asset_fkey FOREIGN KEY (asset) REFERENCES asset(code)
overpayment: overpayment_invoice_id_fkey FOREIGN KEY (invoice_id) REFERENCES invoice(id)
overpayment: overpayment_of_a_payment_is_one UNIQUE (payment_id)
overpayment: overpayment_payment_id_fkey FOREIGN KEY (payment_id) REFERENCES payment(id)
overpayment: overpayment_pkey PRIMARY KEY (id)
overpayment: overpayment_positive CHECK ((amount > 0))
overpayment: overpayment_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
overpayment_repayment: overpayment_is_repaid_once_by_each_reference UNIQUE (provider, reference)
overpayment_repayment: overpayment_repayment_names_a_provider CHECK ((provider <> ''::text))
overpayment_repayment: overpayment_repayment_overpayment_id_fkey FOREIGN KEY (overpayment_id) REFERENCES overpayment(id)
overpayment_repayment: overpayment_repayment_pkey PRIMARY KEY (overpayment_id)
overpayment_repayment: overpayment_repayment_positive CHECK ((amount > 0))
overpayment_repayment: overpayment_repayment_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
overpayment_repayment: overpayment_repayment_reference CHECK (((length(reference) >= 1) AND (length(reference) <= 200)))
password: password_pkey PRIMARY KEY (principal_id)
password: password_principal_id_fkey FOREIGN KEY (principal_id) REFERENCES principal(id)
payment: payment_account_is_short CHECK (((length(account) >= 1) AND (length(account) <= 200)))
payment: payment_amount_positive CHECK ((amount > 0))
payment: payment_applied_within_amount CHECK (((applied >= 0) AND (applied <= amount)))
payment: payment_asset_fkey FOREIGN KEY (asset) REFERENCES asset(code)
payment: payment_fee_within_amount CHECK (((fee >= 0) AND (fee <= amount)))
payment: payment_invoice_id_fkey FOREIGN KEY (invoice_id) REFERENCES invoice(id)
payment: payment_is_recorded_once UNIQUE (provider, charge_id)
payment: payment_pkey PRIMARY KEY (id)
payment: payment_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
payment_file: payment_file_envelope_is_whole CHECK ((length(envelope) >= 32))
payment_file: payment_file_has_orders CHECK ((orders > 0))
payment_file: payment_file_is_hashed CHECK (((length(sha256) = 32) AND ((body IS NULL) OR (sha256 = sha256(body)))))
payment_file: payment_file_moves_money CHECK ((amount > 0))
payment_file: payment_file_pkey PRIMARY KEY (id)
payment_file: payment_file_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
payment_file_order: payment_file_order_file_id_fkey FOREIGN KEY (file_id) REFERENCES payment_file(id)
payment_file_order: payment_file_order_is_in_one_file UNIQUE (provider_payout_id)
payment_file_order: payment_file_order_number_positive CHECK ((number > 0))
payment_file_order: payment_file_order_pkey PRIMARY KEY (file_id, number)
payment_file_order: payment_file_order_provider_payout_id_fkey FOREIGN KEY (provider_payout_id) REFERENCES provider_payout(id)
payout: payout_amount_positive CHECK ((amount > 0))
payout: payout_asset_fkey FOREIGN KEY (asset) REFERENCES asset(code)
payout: payout_key_is_unique UNIQUE (key)
payout: payout_of_a_settlement_is_one UNIQUE (invoice_id, settlement_id, reissue)
payout: payout_pkey PRIMARY KEY (id)
payout: payout_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
payout: payout_reissue_not_negative CHECK ((reissue >= 0))
payout_approval: payout_approval_amount CHECK ((amount > 0))
payout_approval: payout_approval_basis CHECK ((basis = ANY (ARRAY['none'::text, 'rule'::text, 'batch'::text, 'before'::text])))
payout_approval: payout_approval_destination_id_fkey FOREIGN KEY (destination_id) REFERENCES destination(id)
payout_approval: payout_approval_names_its_batch CHECK (((basis = 'batch'::text) = (batch_id IS NOT NULL)))
payout_approval: payout_approval_names_its_destination CHECK (((basis = 'before'::text) OR (destination_id IS NOT NULL)))
payout_approval: payout_approval_names_its_policy CHECK (((basis <> 'rule'::text) OR (policy_version IS NOT NULL)))
payout_approval: payout_approval_payout_id_fkey FOREIGN KEY (payout_id) REFERENCES payout(id)
payout_approval: payout_approval_pkey PRIMARY KEY (provider_payout_id)
payout_approval: payout_approval_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
payout_batch: payout_batch_amount CHECK ((amount >= 0))
payout_batch: payout_batch_approvers CHECK ((approvers > 0))
payout_batch: payout_batch_asset_fkey FOREIGN KEY (asset) REFERENCES asset(code)
payout_batch: payout_batch_created_by_fkey FOREIGN KEY (created_by) REFERENCES principal(id)
payout_batch: payout_batch_is_approved CHECK (((state <> ALL (ARRAY['approved'::text, 'executing'::text, 'partially_executed'::text, 'executed'::text, 'closed'::text])) OR (approved_at IS NOT NULL)))
payout_batch: payout_batch_is_frozen CHECK (((state = ANY (ARRAY['draft'::text, 'cancelled'::text])) OR ((sha256 IS NOT NULL) AND (frozen_at IS NOT NULL) AND (lines > 0))))
payout_batch: payout_batch_is_hashed CHECK ((length(sha256) = 32))
payout_batch: payout_batch_lines CHECK ((lines >= 0))
payout_batch: payout_batch_pkey PRIMARY KEY (id)
payout_batch: payout_batch_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
payout_batch_approval: payout_batch_approval_batch_id_fkey FOREIGN KEY (batch_id) REFERENCES payout_batch(id)
payout_batch_approval: payout_batch_approval_is_hashed CHECK ((length(sha256) = 32))
payout_batch_approval: payout_batch_approval_pkey PRIMARY KEY (batch_id, round, principal_id)
payout_batch_approval: payout_batch_approval_principal_id_fkey FOREIGN KEY (principal_id) REFERENCES principal(id)
payout_batch_approval: payout_batch_approval_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
payout_batch_approval: payout_batch_approval_session_id_fkey FOREIGN KEY (session_id) REFERENCES session(id)
payout_batch_line: payout_batch_line_amount CHECK ((amount > 0))
payout_batch_line: payout_batch_line_asset_fkey FOREIGN KEY (asset) REFERENCES asset(code)
payout_batch_line: payout_batch_line_batch_id_fkey FOREIGN KEY (batch_id) REFERENCES payout_batch(id)
payout_batch_line: payout_batch_line_destination_id_fkey FOREIGN KEY (destination_id) REFERENCES destination(id)
payout_batch_line: payout_batch_line_left CHECK (((left_at IS NULL) = (left_why IS NULL)))
payout_batch_line: payout_batch_line_number CHECK ((number > 0))
payout_batch_line: payout_batch_line_over CHECK ((live OR (removed_at IS NOT NULL) OR (paid_at IS NOT NULL) OR (left_at IS NOT NULL)))
payout_batch_line: payout_batch_line_payout_id_fkey FOREIGN KEY (payout_id) REFERENCES payout(id)
payout_batch_line: payout_batch_line_pkey PRIMARY KEY (batch_id, number)
payout_batch_line: payout_batch_line_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
payout_batch_maker: payout_batch_maker_batch_id_fkey FOREIGN KEY (batch_id) REFERENCES payout_batch(id)
payout_batch_maker: payout_batch_maker_pkey PRIMARY KEY (batch_id, principal_id)
payout_batch_maker: payout_batch_maker_principal_id_fkey FOREIGN KEY (principal_id) REFERENCES principal(id)
payout_batch_maker: payout_batch_maker_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
payout_evidence: payout_evidence_break_id_fkey FOREIGN KEY (break_id) REFERENCES break(id)
payout_evidence: payout_evidence_is_used_once UNIQUE (program_id, source, record_id)
payout_evidence: payout_evidence_pkey PRIMARY KEY (provider_payout_id)
payout_evidence: payout_evidence_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
payout_evidence: payout_evidence_provider_payout_id_fkey FOREIGN KEY (provider_payout_id) REFERENCES provider_payout(id)
payout_evidence: payout_evidence_was_found FOREIGN KEY (run_id, number) REFERENCES run_finding(run_id, number)
payout_netting: payout_netting_moves_something CHECK ((amount <> 0))
payout_netting: payout_netting_number CHECK ((number > 0))
payout_netting: payout_netting_payout_id_fkey FOREIGN KEY (payout_id) REFERENCES payout(id)
payout_netting: payout_netting_pkey PRIMARY KEY (payout_id, number)
payout_policy: payout_policy_asset_fkey FOREIGN KEY (asset) REFERENCES asset(code)
payout_policy: payout_policy_by_rule_max CHECK ((by_rule_max >= 0))
payout_policy: payout_policy_cooling CHECK (((cooling_hours >= 0) AND (cooling_hours <= 8760)))
payout_policy: payout_policy_pkey PRIMARY KEY (program_id, asset, version)
payout_policy: payout_policy_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
payout_policy: payout_policy_tiers CHECK (((cardinality(tiers_above) = cardinality(tiers_approvers)) AND (cardinality(tiers_above) <= 10) AND (0 <= ALL (tiers_above)) AND (0 < ALL (tiers_approvers))))
payout_policy: payout_policy_version CHECK ((version > 0))
period_close: period_close_has_a_reason CHECK (((length(reason) >= 1) AND (length(reason) <= 2000)))
period_close: period_close_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
period_close: period_close_step_is_taken_once PRIMARY KEY (program_id, step)
period_close: period_close_step_starts_at_one CHECK ((step > 0))
period_close: period_close_verb_is_known CHECK ((verb = ANY (ARRAY['close'::text, 'reopen'::text])))
period_close: period_is_reopened_by_two CHECK (((verb <> 'reopen'::text) OR ((approved_by IS NOT NULL) AND (approved_by <> actor)))) NOT VALID
period_close: period_is_reopened_once_per_approval UNIQUE (approval_id)
period_keys: period_keys_period_is_in_order CHECK ((from_at < to_at))
period_keys: period_keys_pkey PRIMARY KEY (from_at, to_at)
personal_data_policy: personal_data_policy_digest_is_sha256 CHECK ((length(sha256) = 32))
personal_data_policy: personal_data_policy_has_a_name CHECK (((length(name) >= 1) AND (length(name) <= 200)))
personal_data_policy: personal_data_policy_is_counted CHECK ((version > 0))
personal_data_policy: personal_data_policy_pkey PRIMARY KEY (version)
posting: posting_amount_fits CHECK (((amount >= 1) AND (amount <= '1000000000000000000'::bigint)))
posting: posting_moves_between_two_accounts CHECK ((debit <> credit))
posting: posting_pkey PRIMARY KEY (journal_id, line)
posting: posting_stays_in_its_book CHECK (((debit >> 40) = (credit >> 40)))
principal: principal_kind CHECK ((kind = ANY (ARRAY['person'::text, 'service'::text])))
principal: principal_name_is_short CHECK (((length(name) >= 1) AND (length(name) <= 80)))
principal: principal_name_is_taken UNIQUE (skeleton)
principal: principal_pkey PRIMARY KEY (id)
principal: principal_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
program: program_id_is_short CHECK (((length(id) >= 1) AND (length(id) <= 64)))
program: program_pkey PRIMARY KEY (id)
program_segment: program_segment_counts CHECK (((segment >= 0) AND (postings >= 0)))
program_segment: program_segment_is_begun_once PRIMARY KEY (program_id, segment)
program_segment: program_segment_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
proof: proof_counts_its_entries CHECK (((entries = (close_size - open_size)) AND (entries >= 0)))
proof: proof_manifest_is_hashed CHECK ((length(manifest_sha256) = 32))
proof: proof_period_is_in_order CHECK ((from_at < to_at))
proof: proof_pkey PRIMARY KEY (id)
proof: proof_previous_id_fkey FOREIGN KEY (previous_id) REFERENCES proof(id)
proof: proof_verdict_is_known CHECK ((verdict = ANY (ARRAY['complete'::text, 'incomplete'::text])))
proof_export: proof_export_does_not_pass_its_total CHECK ((done <= total))
proof_export: proof_export_done CHECK ((done >= 0))
proof_export: proof_export_ends_with_a_proof_or_a_reason CHECK ((((state = 'running'::text) OR (finished_at IS NOT NULL)) AND ((state <> 'made'::text) OR (proof_id IS NOT NULL)) AND ((state <> ALL (ARRAY['failed'::text, 'cut_short'::text])) OR (error IS NOT NULL))))
proof_export: proof_export_pkey PRIMARY KEY (id)
proof_export: proof_export_proof_id_fkey FOREIGN KEY (proof_id) REFERENCES proof(id)
proof_export: proof_export_total CHECK ((total >= 0))
proof_file: proof_file_is_hashed CHECK ((length(sha256) = 32))
proof_file: proof_file_pkey PRIMARY KEY (proof_id, name)
proof_file: proof_file_proof_id_fkey FOREIGN KEY (proof_id) REFERENCES proof(id)
proof_file: proof_file_size_is_not_negative CHECK ((bytes >= 0))
proof_request: proof_quorum_is_small CHECK (((quorum >= 1) AND (quorum <= 5)))
proof_request: proof_request_pkey PRIMARY KEY (proof_id, number)
proof_request: proof_request_proof_id_fkey FOREIGN KEY (proof_id) REFERENCES proof(id)
proof_request: proof_request_starts_at_one CHECK ((number > 0))
proof_signature: proof_is_signed_once_by_a_person UNIQUE (proof_id, number, principal_id)
proof_signature: proof_is_signed_once_in_a_role UNIQUE (proof_id, number, role)
proof_signature: proof_signature_is_of_a_kind CHECK ((length(signature) = ANY (ARRAY[64, 2420])))
proof_signature: proof_signature_pkey PRIMARY KEY (proof_id, number, signer_id)
proof_signature: proof_signature_proof_id_number_fkey FOREIGN KEY (proof_id, number) REFERENCES proof_request(proof_id, number)
proof_signature: proof_signature_signer_id_fkey FOREIGN KEY (signer_id) REFERENCES signer(id)
provider_conflict: provider_conflict_number CHECK ((number > 0))
provider_conflict: provider_conflict_number_is_unique UNIQUE (provider_payout_id, number)
provider_conflict: provider_conflict_pkey PRIMARY KEY (id)
provider_conflict: provider_conflict_provider_payout_id_fkey FOREIGN KEY (provider_payout_id) REFERENCES provider_payout(id)
provider_cursor: provider_cursor_pkey PRIMARY KEY (provider)
provider_payout: provider_payout_amount_positive CHECK ((amount > 0))
provider_payout: provider_payout_asset_fkey FOREIGN KEY (asset) REFERENCES asset(code)
provider_payout: provider_payout_beyond_within_amount CHECK (((beyond >= 0) AND (beyond <= amount)))
provider_payout: provider_payout_destination_id_fkey FOREIGN KEY (destination_id) REFERENCES destination(id)
provider_payout: provider_payout_failed_by CHECK ((failed_by = ANY (ARRAY['provider'::text, 'inference'::text, 'person'::text])))
provider_payout: provider_payout_is_approved FOREIGN KEY (id) REFERENCES payout_approval(provider_payout_id) DEFERRABLE INITIALLY DEFERRED
provider_payout: provider_payout_key_is_unique UNIQUE (provider, idempotency_key)
provider_payout: provider_payout_number CHECK ((number > 0))
provider_payout: provider_payout_number_is_unique UNIQUE (payout_id, number)
provider_payout: provider_payout_paid_positive CHECK ((paid > 0))
provider_payout: provider_payout_payout_id_fkey FOREIGN KEY (payout_id) REFERENCES payout(id)
provider_payout: provider_payout_pkey PRIMARY KEY (id)
provider_payout: provider_payout_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
provider_payout: provider_payout_unconfirmed CHECK ((unconfirmed = ANY (ARRAY['failed'::text, 'returned'::text])))
queue_drain: queue_drain_number_fkey FOREIGN KEY (number) REFERENCES queue_pause(number)
queue_drain: queue_drain_pkey PRIMARY KEY (number)
queue_hour: queue_hour_adds_up CHECK ((((depth_sum >= depth_max) AND (depth_sum <= ((depth_max)::bigint * samples))) AND (depth_max >= 0)))
queue_hour: queue_hour_pkey PRIMARY KEY (hour, queue)
queue_hour: queue_hour_was_measured CHECK (((samples >= 1) AND (samples <= 60)))
queue_pause: queue_pause_has_a_reason CHECK ((btrim(reason) <> ''::text))
queue_pause: queue_pause_names_a_queue CHECK ((queue <> ''::text))
queue_pause: queue_pause_pkey PRIMARY KEY (number)
receivable_write_off: receivable_write_off_asset_fkey FOREIGN KEY (asset) REFERENCES asset(code)
receivable_write_off: receivable_write_off_pkey PRIMARY KEY (id)
receivable_write_off: receivable_write_off_positive CHECK ((amount > 0))
receivable_write_off: receivable_write_off_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
reconciliation_gap: reconciliation_gap_in_order CHECK ((first_at <= last_at))
reconciliation_gap: reconciliation_gap_missed CHECK ((missed > 0))
reconciliation_gap: reconciliation_gap_name_fkey FOREIGN KEY (name) REFERENCES reconciliation_schedule(name)
reconciliation_gap: reconciliation_gap_pkey PRIMARY KEY (name, first_at)
reconciliation_run: reconciliation_run_concludes CHECK (((state = 'finished'::text) = (verdict IS NOT NULL)))
reconciliation_run: reconciliation_run_ends CHECK (((state = 'running'::text) = (finished_at IS NULL)))
reconciliation_run: reconciliation_run_number_is_given_once UNIQUE (number)
reconciliation_run: reconciliation_run_pkey PRIMARY KEY (id)
reconciliation_run: reconciliation_run_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
reconciliation_run: reconciliation_run_range CHECK ((first_on <= last_on))
reconciliation_run: reconciliation_run_scope CHECK ((scope = ANY (ARRAY['range'::text, 'recent'::text, 'full'::text])))
reconciliation_run: reconciliation_run_state CHECK ((state = ANY (ARRAY['running'::text, 'finished'::text, 'failed'::text])))
reconciliation_schedule: reconciliation_schedule_pkey PRIMARY KEY (name)
reconciliation_slot: reconciliation_slot_name_fkey FOREIGN KEY (name) REFERENCES reconciliation_schedule(name)
reconciliation_slot: reconciliation_slot_pkey PRIMARY KEY (name, slot_at)
reconciliation_slot: reconciliation_slot_skipped CHECK ((skipped >= 0))
recovery_code: recovery_code_factor_id_fkey FOREIGN KEY (factor_id) REFERENCES second_factor(id)
recovery_code: recovery_code_is_hashed CHECK ((length(sha256) = 32))
recovery_code: recovery_code_number CHECK (((number >= 1) AND (number <= 20)))
recovery_code: recovery_code_pkey PRIMARY KEY (factor_id, number)
referral: referral_customer_size CHECK (((length(customer_id) >= 1) AND (length(customer_id) <= 64)))
referral: referral_pkey PRIMARY KEY (program_id, customer_id)
referral: referral_program_id_affiliate_id_fkey FOREIGN KEY (program_id, affiliate_id) REFERENCES affiliate(program_id, id)
referral: referral_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
refund: refund_adds_up CHECK (((amount + credited) = ((((((escrow + platform_fee) + validator_fee) + own_holdback) + payable) + holdback) + receivable)))
refund: refund_asset_fkey FOREIGN KEY (asset) REFERENCES asset(code)
refund: refund_before_settlement_is_from_escrow CHECK (((settlement_id IS NULL) = ((escrow = amount) AND (credited = 0))))
refund: refund_invoice_id_fkey FOREIGN KEY (invoice_id) REFERENCES invoice(id)
refund: refund_parts_not_negative CHECK ((LEAST(escrow, platform_fee, validator_fee, own_holdback, payable, holdback, receivable, credited) >= 0))
refund: refund_pkey PRIMARY KEY (id)
refund: refund_positive CHECK ((amount > 0))
refund: refund_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
refund: refund_settlement_id_fkey FOREIGN KEY (settlement_id) REFERENCES settlement(id)
refund_execution: refund_execution_names_a_provider CHECK ((provider <> ''::text))
refund_execution: refund_execution_pkey PRIMARY KEY (refund_id)
refund_execution: refund_execution_reference CHECK (((length(reference) >= 1) AND (length(reference) <= 200)))
refund_execution: refund_execution_refund_id_fkey FOREIGN KEY (refund_id) REFERENCES refund(id)
refund_execution: refund_is_paid_once_by_each_reference UNIQUE (provider, reference)
request_turn: request_turn_pkey PRIMARY KEY (scope)
reversal: line_is_reversed_once PRIMARY KEY (journal_id, line)
reversal: reversal_reversed_by_fkey FOREIGN KEY (reversed_by) REFERENCES journal(id)
role_conflict: role_conflict_pkey PRIMARY KEY (role, other)
role_grant: role_grant_is_revoked_by_somebody CHECK (((revoked_by IS NULL) = (revoked_at IS NULL)))
role_grant: role_grant_pkey PRIMARY KEY (id)
role_grant: role_grant_principal_id_fkey FOREIGN KEY (principal_id) REFERENCES principal(id)
role_grant: role_grant_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
run_finding: run_finding_number CHECK ((number > 0))
run_finding: run_finding_pkey PRIMARY KEY (run_id, number)
run_finding: run_finding_run_id_fkey FOREIGN KEY (run_id) REFERENCES reconciliation_run(id)
runbook_answer: runbook_answer_attempt CHECK ((attempt > 0))
runbook_answer: runbook_answer_is_its_types_own CHECK ((outcome = ANY (
CASE type
    WHEN 'check'::text THEN ARRAY['passed'::text, 'failed'::text, 'not_checked'::text, 'does_not_apply'::text, 'skipped'::text]
    WHEN 'query'::text THEN ARRAY['passed'::text, 'not_checked'::text, 'does_not_apply'::text, 'skipped'::text]
    WHEN 'action'::text THEN ARRAY['passed'::text, 'failed'::text, 'not_checked'::text, 'does_not_apply'::text, 'skipped'::text]
    WHEN 'wait'::text THEN ARRAY['passed'::text, 'failed'::text, 'not_checked'::text, 'does_not_apply'::text, 'skipped'::text]
    ELSE ARRAY['done'::text, 'does_not_apply'::text, 'skipped'::text]
END)))
runbook_answer: runbook_answer_passes_by_its_evidence CHECK (((type <> 'check'::text) OR (outcome <> 'passed'::text) OR (((evidence ->> 'found'::text))::bigint = 0)))
runbook_answer: runbook_answer_pkey PRIMARY KEY (run_id, number, attempt)
runbook_answer: runbook_answer_run_id_fkey FOREIGN KEY (run_id) REFERENCES runbook_run(id)
runbook_answer: runbook_answer_told CHECK (((length(told) >= 1) AND (length(told) <= 4000)))
runbook_answer: runbook_answer_type CHECK ((type = ANY (ARRAY['check'::text, 'query'::text, 'action'::text, 'wait'::text, 'approval'::text, 'note'::text])))
runbook_run: runbook_run_alert_id_fkey FOREIGN KEY (alert_id) REFERENCES alert(id)
runbook_run: runbook_run_covers_a_span CHECK ((((starts_at IS NULL) = (ends_at IS NULL)) AND ((starts_at IS NULL) OR (starts_at < ends_at))))
runbook_run: runbook_run_ends_by_somebody CHECK ((((state = 'running'::text) OR (ended_at IS NOT NULL)) AND ((ended_at IS NULL) = (ended_by IS NULL))))
runbook_run: runbook_run_has_steps CHECK (((jsonb_array_length(steps_written) >= 1) AND (jsonb_array_length(steps_written) <= 50)))
runbook_run: runbook_run_kind CHECK ((kind = ANY (ARRAY['checklist'::text, 'playbook'::text])))
runbook_run: runbook_run_pkey PRIMARY KEY (id)
runbook_run: runbook_run_sha256 CHECK ((length(sha256) = 32))
schedule_end: schedule_end_error CHECK ((error <> ''::text))
schedule_end: schedule_end_name_slot_at_fkey FOREIGN KEY (name, slot_at) REFERENCES reconciliation_slot(name, slot_at)
schedule_end: schedule_end_pkey PRIMARY KEY (number)
schedule_wish: schedule_wish_pkey PRIMARY KEY (name, worker)
seal: seal_is_a_hash CHECK ((length(sha256) = 32))
seal: seal_is_put_once PRIMARY KEY (relation, row_id)
sealed_relation: sealed_relation_pkey PRIMARY KEY (relation)
second_administrator: second_administrator_begins_in_time CHECK (((begun_at >= begins_at) AND (begun_at <= lapses_at)))
second_administrator: second_administrator_ends_once CHECK (((stopped_at IS NULL) OR (begun_at IS NULL)))
second_administrator: second_administrator_grant_id_fkey FOREIGN KEY (grant_id) REFERENCES role_grant(id)
second_administrator: second_administrator_has_a_reason CHECK ((reason <> ''::text))
second_administrator: second_administrator_is_granted CHECK (((begun_at IS NULL) = (grant_id IS NULL)))
second_administrator: second_administrator_is_stopped_by_somebody CHECK ((((stopped_at IS NULL) = (stopped_by IS NULL)) AND ((stopped_at IS NULL) = (stop_reason IS NULL))))
second_administrator: second_administrator_pkey PRIMARY KEY (id)
second_administrator: second_administrator_principal_id_fkey FOREIGN KEY (principal_id) REFERENCES principal(id)
second_administrator: second_administrator_waits CHECK (((begins_at >= (announced_at + '72:00:00'::interval)) AND (lapses_at > begins_at)))
second_factor: second_factor_envelope_is_whole CHECK ((length(envelope) >= 32))
second_factor: second_factor_pkey PRIMARY KEY (id)
second_factor: second_factor_principal_id_fkey FOREIGN KEY (principal_id) REFERENCES principal(id)
sentinel_check: sentinel_check_counts CHECK ((findings >= 0))
sentinel_check: sentinel_check_is_asked_once UNIQUE (run_id, code)
sentinel_check: sentinel_check_is_told CHECK ((((outcome = 'broken'::text) = (findings > 0)) AND ((outcome = 'failed'::text) = (error IS NOT NULL))))
sentinel_check: sentinel_check_outcome CHECK ((outcome = ANY (ARRAY['holds'::text, 'broken'::text, 'failed'::text])))
sentinel_check: sentinel_check_pkey PRIMARY KEY (run_id, place)
sentinel_check: sentinel_check_run_id_fkey FOREIGN KEY (run_id) REFERENCES sentinel_run(id)
sentinel_run: sentinel_run_adds_up CHECK ((checks = ((holding + broken) + failed)))
sentinel_run: sentinel_run_is_green_when_nothing_failed CHECK (((state <> 'finished'::text) OR (failed = 0)))
sentinel_run: sentinel_run_kind CHECK ((kind = ANY (ARRAY['recent'::text, 'full'::text, 'monitors'::text])))
sentinel_run: sentinel_run_number_key UNIQUE (number)
sentinel_run: sentinel_run_of_monitors_reaches_nowhere CHECK (((kind <> 'monitors'::text) OR ((since IS NULL) AND (watermark IS NULL))))
sentinel_run: sentinel_run_pkey PRIMARY KEY (id)
session: dashboard_session_api_key_id_fkey FOREIGN KEY (api_key_id) REFERENCES api_key(id)
session: dashboard_session_pkey PRIMARY KEY (secret_hash)
session: session_id_key UNIQUE (id)
session: session_idle_is_positive CHECK ((idle_s > 0))
session: session_opened_by_fkey FOREIGN KEY (opened_by) REFERENCES session(id)
session: session_principal_id_fkey FOREIGN KEY (principal_id) REFERENCES principal(id)
settlement: settlement_adds_up CHECK ((gross = (((platform_fee + validator_fee) + holdback) + net)))
settlement: settlement_asset_fkey FOREIGN KEY (asset) REFERENCES asset(code)
settlement: settlement_invoice_id_fkey FOREIGN KEY (invoice_id) REFERENCES invoice(id)
settlement: settlement_of_an_invoice_is_one UNIQUE (invoice_id)
settlement: settlement_parts_not_negative CHECK (((gross > 0) AND (platform_fee >= 0) AND (validator_fee >= 0) AND (holdback >= 0) AND (net >= 0)))
settlement: settlement_pkey PRIMARY KEY (id)
settlement: settlement_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
settlement: settlement_program_id_rate_version_fkey FOREIGN KEY (program_id, rate_version) REFERENCES fee_rate(program_id, version)
signer: signer_is_revoked_whole CHECK ((((revoked_at IS NULL) = (revoked_by IS NULL)) AND ((revoked_at IS NULL) = (revoke_reason IS NULL))))
signer: signer_is_valid_for_a_while CHECK ((valid_until > created_at))
signer: signer_key_is_of_a_kind CHECK ((length(public_key) = ANY (ARRAY[32, 1312])))
signer: signer_key_is_one_persons UNIQUE (public_key)
signer: signer_pkey PRIMARY KEY (id)
signer: signer_principal_id_fkey FOREIGN KEY (principal_id) REFERENCES principal(id)
signer: signer_role_is_known CHECK ((role = ANY (ARRAY['operator'::text, 'approver'::text, 'controller'::text, 'auditor'::text, 'administrator'::text])))
silence: silence_has_a_reason CHECK ((btrim(reason) <> ''::text))
silence: silence_has_an_end CHECK (((until > created_at) AND (until <= (created_at + '90 days'::interval))))
silence: silence_pkey PRIMARY KEY (id)
step: step_is_allowed FOREIGN KEY (machine, from_state, verb, to_state) REFERENCES transition(machine, from_state, verb, to_state)
step: step_is_taken_once PRIMARY KEY (subject_id, step)
step: step_starts_at_one CHECK ((step > 0))
store_copy: store_copy_bytes CHECK ((bytes >= 0))
store_copy: store_copy_is_dropped_when_unlocked CHECK (((state <> 'dropped'::text) OR (locked_until IS NULL) OR (locked_until <= state_at)))
store_copy: store_copy_is_known_when_kept CHECK (((state <> ALL (ARRAY['kept'::text, 'wrong'::text])) OR ((kept_at IS NOT NULL) AND (version IS NOT NULL) AND (checksum IS NOT NULL))))
store_copy: store_copy_path CHECK (((length(path) >= 1) AND (length(path) <= 900)))
store_copy: store_copy_pkey PRIMARY KEY (id)
store_copy: store_copy_says_what_is_wrong CHECK (((state <> 'wrong'::text) OR (error IS NOT NULL)))
store_copy: store_copy_sha256 CHECK ((length(sha256) = 32))
transition: transition_pkey PRIMARY KEY (machine, from_state, verb, to_state)
treasury_movement: treasury_movement_asset_fkey FOREIGN KEY (asset) REFERENCES asset(code)
treasury_movement: treasury_movement_kind CHECK ((kind = ANY (ARRAY['distribution'::text, 'withdrawal'::text])))
treasury_movement: treasury_movement_pkey PRIMARY KEY (id)
treasury_movement: treasury_movement_positive CHECK ((amount > 0))
treasury_movement: treasury_movement_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
treasury_movement: treasury_movement_reference CHECK (((length(reference) >= 1) AND (length(reference) <= 200)))
treasury_movement: treasury_reference_counts_once UNIQUE (program_id, reference)
two_phase: two_phase_commits CHECK ((commits = ANY (ARRAY['by_itself'::text, 'on_request'::text])))
two_phase: two_phase_coordinator_name CHECK ((coordinator ~ '^[a-z0-9][a-z0-9_-]{0,39}$'::text))
two_phase: two_phase_expires_later CHECK ((expires_at > created_at))
two_phase: two_phase_foreign_id_size CHECK (((length(foreign_id) >= 1) AND (length(foreign_id) <= 64)))
two_phase: two_phase_of_a_peer_is_known_by_its_id CHECK ((((coordinator IS NULL) = (foreign_id IS NULL)) AND ((coordinator IS NULL) = (asked IS NULL))))
two_phase: two_phase_participants CHECK (((participants >= 2) AND (participants <= 100)))
two_phase: two_phase_pkey PRIMARY KEY (id)
two_phase: two_phase_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
two_phase: two_phase_reference_size CHECK (((length(reference) >= 1) AND (length(reference) <= 200)))
two_phase_call: two_phase_call_pkey PRIMARY KEY (transaction_id, peer)
two_phase_call: two_phase_call_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
two_phase_call: two_phase_call_transaction_id_fkey FOREIGN KEY (transaction_id) REFERENCES two_phase(id)
two_phase_check: two_phase_check_agent_id_fkey FOREIGN KEY (agent_id) REFERENCES agent(id)
two_phase_check: two_phase_check_pkey PRIMARY KEY (transaction_id, agent_id)
two_phase_check: two_phase_check_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
two_phase_check: two_phase_check_transaction_id_fkey FOREIGN KEY (transaction_id) REFERENCES two_phase(id)
two_phase_decision: two_phase_approval_size CHECK (((length(approval) >= 1) AND (length(approval) <= 200)))
two_phase_decision: two_phase_cause_fits CHECK (
CASE decision
    WHEN 'commit'::text THEN (cause = ANY (ARRAY['votes'::text, 'request'::text, 'forced'::text, 'told'::text]))
    ELSE (cause = ANY (ARRAY['no_vote'::text, 'time_out'::text, 'cancelled'::text, 'forced'::text, 'told'::text]))
END)
two_phase_decision: two_phase_decision_cause CHECK ((cause = ANY (ARRAY['votes'::text, 'request'::text, 'no_vote'::text, 'time_out'::text, 'cancelled'::text, 'forced'::text, 'told'::text])))
two_phase_decision: two_phase_decision_is_known CHECK ((decision = ANY (ARRAY['commit'::text, 'abort'::text])))
two_phase_decision: two_phase_decision_pkey PRIMARY KEY (transaction_id)
two_phase_decision: two_phase_decision_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
two_phase_decision: two_phase_decision_transaction_id_fkey FOREIGN KEY (transaction_id) REFERENCES two_phase(id)
two_phase_decision: two_phase_forced_has_its_approval CHECK (((cause = 'forced'::text) = (approval IS NOT NULL)))
two_phase_outcome: two_phase_applied_is_posted CHECK (((outcome = 'applied'::text) = (journal_id IS NOT NULL)))
two_phase_outcome: two_phase_outcome_is_known CHECK ((outcome = ANY (ARRAY['applied'::text, 'released'::text])))
two_phase_outcome: two_phase_outcome_pkey PRIMARY KEY (transaction_id, number)
two_phase_outcome: two_phase_outcome_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
two_phase_outcome: two_phase_outcome_transaction_id_number_fkey FOREIGN KEY (transaction_id, number) REFERENCES two_phase_participant(transaction_id, number)
two_phase_participant: two_phase_names_an_agent_once UNIQUE (transaction_id, agent_id, asset)
two_phase_participant: two_phase_participant_agent_id_fkey FOREIGN KEY (agent_id) REFERENCES agent(id)
two_phase_participant: two_phase_participant_asset_fkey FOREIGN KEY (asset) REFERENCES asset(code)
two_phase_participant: two_phase_participant_is_of_one_server CHECK ((((agent_id IS NULL) = (peer IS NOT NULL)) AND ((peer_agent IS NULL) OR (peer IS NOT NULL))))
two_phase_participant: two_phase_participant_number CHECK (((number >= 1) AND (number <= 100)))
two_phase_participant: two_phase_participant_pkey PRIMARY KEY (transaction_id, number)
two_phase_participant: two_phase_participant_positive CHECK ((amount > 0))
two_phase_participant: two_phase_participant_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
two_phase_participant: two_phase_participant_side CHECK ((side = ANY (ARRAY['debit'::text, 'credit'::text])))
two_phase_participant: two_phase_participant_transaction_id_fkey FOREIGN KEY (transaction_id) REFERENCES two_phase(id)
two_phase_participant: two_phase_peer_agent_size CHECK (((length(peer_agent) >= 1) AND (length(peer_agent) <= 64)))
two_phase_participant: two_phase_peer_name CHECK ((peer ~ '^[a-z0-9][a-z0-9_-]{0,39}$'::text))
two_phase_vote: two_phase_vote_hold_id_fkey FOREIGN KEY (hold_id) REFERENCES hold(id)
two_phase_vote: two_phase_vote_is_known CHECK ((vote = ANY (ARRAY['yes'::text, 'no'::text])))
two_phase_vote: two_phase_vote_pkey PRIMARY KEY (transaction_id, number)
two_phase_vote: two_phase_vote_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
two_phase_vote: two_phase_vote_transaction_id_number_fkey FOREIGN KEY (transaction_id, number) REFERENCES two_phase_participant(transaction_id, number)
two_phase_vote: two_phase_vote_yes_holds CHECK ((((vote = 'yes'::text) = (hold_id IS NOT NULL)) AND ((vote = 'no'::text) = (why IS NOT NULL))))
unidentified_payment: unidentified_payment_asset_fkey FOREIGN KEY (asset) REFERENCES asset(code)
unidentified_payment: unidentified_payment_of_a_payment_is_one UNIQUE (payment_id)
unidentified_payment: unidentified_payment_payment_id_fkey FOREIGN KEY (payment_id) REFERENCES payment(id)
unidentified_payment: unidentified_payment_pkey PRIMARY KEY (id)
unidentified_payment: unidentified_payment_positive CHECK ((amount > 0))
unidentified_payment: unidentified_payment_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
unidentified_repayment: unidentified_payment_is_repaid_once UNIQUE (payment_id)
unidentified_repayment: unidentified_payment_is_repaid_once_by_each_reference UNIQUE (provider, reference)
unidentified_repayment: unidentified_repayment_names_a_provider CHECK ((provider <> ''::text))
unidentified_repayment: unidentified_repayment_payment_id_fkey FOREIGN KEY (payment_id) REFERENCES payment(id)
unidentified_repayment: unidentified_repayment_pkey PRIMARY KEY (unidentified_payment_id)
unidentified_repayment: unidentified_repayment_positive CHECK ((amount > 0))
unidentified_repayment: unidentified_repayment_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
unidentified_repayment: unidentified_repayment_reference CHECK (((length(reference) >= 1) AND (length(reference) <= 200)))
unidentified_repayment: unidentified_repayment_unidentified_payment_id_fkey FOREIGN KEY (unidentified_payment_id) REFERENCES unidentified_payment(id)
unposted_line: unposted_line_has_one_outcome PRIMARY KEY (journal_id, line)
unposted_line: unposted_line_journal_id_fkey FOREIGN KEY (journal_id) REFERENCES journal(id)
unposted_line: unposted_line_starts_at_one CHECK ((line > 0))
usage_file: usage_file_digest_is_sha256 CHECK ((length(sha256) = 32))
usage_file: usage_file_does_not_pass_its_end CHECK (((lines_done >= 0) AND (lines_done <= lines)))
usage_file: usage_file_ends_with_its_last_line CHECK (((ended_at IS NOT NULL) = (lines_done = lines)))
usage_file: usage_file_has_lines CHECK ((lines > 0))
usage_file: usage_file_is_known_once UNIQUE (program_id, sha256)
usage_file: usage_file_new CHECK ((new >= 0))
usage_file: usage_file_pkey PRIMARY KEY (id)
usage_file: usage_file_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
usage_file: usage_file_rejected CHECK ((rejected >= 0))
usage_fraction: usage_fraction_asset_fkey FOREIGN KEY (asset) REFERENCES asset(code)
usage_fraction: usage_fraction_is_one CHECK (((fraction >= 0) AND (fraction <= '999999999999'::bigint)))
usage_fraction: usage_fraction_pkey PRIMARY KEY (program_id, customer_id, payee_id, asset)
usage_fraction: usage_fraction_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
usage_import: usage_file_is_imported_once UNIQUE (program_id, sha256)
usage_import: usage_import_pkey PRIMARY KEY (id)
usage_import: usage_import_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
usage_record: usage_amount_not_negative CHECK ((amount >= 0))
usage_record: usage_is_recorded_once UNIQUE (program_id, external_id)
usage_record: usage_line_with_its_invoice CHECK (((invoice_id IS NULL) = (line IS NULL)))
usage_record: usage_price_not_negative CHECK ((price_micro >= 0))
usage_record: usage_quantity_positive CHECK ((quantity_micro > 0))
usage_record: usage_record_asset_fkey FOREIGN KEY (asset) REFERENCES asset(code)
usage_record: usage_record_import_id_fkey FOREIGN KEY (import_id) REFERENCES usage_import(id)
usage_record: usage_record_invoice_id_fkey FOREIGN KEY (invoice_id) REFERENCES invoice(id)
usage_record: usage_record_pkey PRIMARY KEY (id)
usage_record: usage_record_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
wal_archive: wal_archive_pkey PRIMARY KEY (system_id)
wal_archive: wal_archive_place CHECK ((kept_place >= 0))
wal_archive: wal_archive_says_why CHECK (((failed_at IS NULL) = (error IS NULL)))
webhook_attempt: webhook_attempt_answer_size CHECK ((octet_length(answer) <= 16384))
webhook_attempt: webhook_attempt_delivery_id_fkey FOREIGN KEY (delivery_id) REFERENCES webhook_delivery(id)
webhook_attempt: webhook_attempt_pkey PRIMARY KEY (delivery_id, number)
webhook_delivery: webhook_delivery_endpoint_id_fkey FOREIGN KEY (endpoint_id) REFERENCES webhook_endpoint(id)
webhook_delivery: webhook_delivery_event_id_fkey FOREIGN KEY (event_id) REFERENCES event(id)
webhook_delivery: webhook_delivery_is_one UNIQUE (endpoint_id, event_id)
webhook_delivery: webhook_delivery_pkey PRIMARY KEY (id)
webhook_endpoint: webhook_endpoint_about_size CHECK ((length(about) <= 200))
webhook_endpoint: webhook_endpoint_level CHECK ((min_level = ANY (ARRAY['debug'::text, 'info'::text, 'warning'::text, 'critical'::text])))
webhook_endpoint: webhook_endpoint_owner_size CHECK (((length(owner_email) >= 3) AND (length(owner_email) <= 254)))
webhook_endpoint: webhook_endpoint_pkey PRIMARY KEY (id)
webhook_endpoint: webhook_endpoint_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
webhook_endpoint: webhook_endpoint_url_size CHECK (((length(url) >= 8) AND (length(url) <= 2000)))
webhook_in: webhook_in_body_size CHECK ((octet_length(body) <= 262144))
webhook_in: webhook_in_envelope_is_whole CHECK ((length(envelope) >= 32))
webhook_in: webhook_in_envelope_size CHECK ((length(envelope) <= (262144 + 32)))
webhook_in: webhook_in_is_received_once UNIQUE (provider, event_id)
webhook_in: webhook_in_pkey PRIMARY KEY (id)
webhook_in_rejection: webhook_in_rejection_pkey PRIMARY KEY (provider, day, reason)
webhook_secret: webhook_secret_endpoint_id_fkey FOREIGN KEY (endpoint_id) REFERENCES webhook_endpoint(id)
webhook_secret: webhook_secret_envelope_is_whole CHECK ((length(envelope) >= 32))
webhook_secret: webhook_secret_number_is_one UNIQUE (endpoint_id, number)
webhook_secret: webhook_secret_overlap CHECK (((overlap_days >= 0) AND (overlap_days <= 7)))
webhook_secret: webhook_secret_pkey PRIMARY KEY (id)
work_mishap: work_mishap_counts CHECK ((number > 0))
work_mishap: work_mishap_kind CHECK ((kind = ANY (ARRAY['lease_rescued'::text, 'stale_write'::text])))
work_mishap: work_mishap_pkey PRIMARY KEY (id)
worker: worker_pkey PRIMARY KEY (id)
write_off_limit: write_off_limit_asset_fkey FOREIGN KEY (asset) REFERENCES asset(code)
write_off_limit: write_off_limit_not_negative CHECK ((minor >= 0))
write_off_limit: write_off_limit_pkey PRIMARY KEY (program_id, asset, version)
write_off_limit: write_off_limit_program_id_fkey FOREIGN KEY (program_id) REFERENCES program(id)
write_off_limit: write_off_limit_version CHECK ((version > 0))

-- indexes
access_attempt: CREATE INDEX access_attempt_by_time ON public.access_attempt USING btree (began_at)
access_event: CREATE INDEX access_event_by_request ON public.access_event USING btree (request_id)
access_event: CREATE INDEX access_event_by_time ON public.access_event USING btree (at, id)
account: CREATE INDEX account_by_beginning ON public.account USING btree (book_id, name text_pattern_ops)
account: CREATE INDEX account_of_customer ON public.account USING btree (book_id, split_part(name, ':'::text, 3)) WHERE ((name ~~ 'receivable:customer:%'::text) OR (name ~~ 'refund_payable:customer:%'::text))
account_flag: CREATE INDEX account_flag_by_writer ON public.account_flag USING btree (written_by)
account_guard: CREATE INDEX account_guard_by_writer ON public.account_guard USING btree (written_by)
action: CREATE INDEX action_by_request ON public.action USING btree (request_id)
action: CREATE INDEX action_by_time ON public.action USING btree (at, id)
action: CREATE INDEX action_by_writer ON public.action USING btree (written_by)
action: CREATE INDEX action_of_subject ON public.action USING btree (subject_id, at)
affiliate: CREATE INDEX affiliate_by_state ON public.affiliate USING btree (state, id)
affiliate: CREATE INDEX affiliate_due ON public.affiliate USING btree (due_at, id) WHERE (due_at IS NOT NULL)
affiliate: CREATE INDEX affiliate_of_parent ON public.affiliate USING btree (parent_id) WHERE (parent_id IS NOT NULL)
agent: CREATE INDEX agent_by_state ON public.agent USING btree (state, id)
agent_mandate: CREATE INDEX agent_mandate_newest ON public.agent_mandate USING btree (agent_id, asset, counterparty_id, number DESC)
alert: CREATE INDEX alert_by_identity ON public.alert USING btree (code, program_id, subject, period, id DESC)
alert: CREATE INDEX alert_by_snooze ON public.alert USING btree (snoozed_until) WHERE (snoozed_until IS NOT NULL)
alert: CREATE INDEX alert_by_state ON public.alert USING btree (state, id)
alert: CREATE INDEX alert_due ON public.alert USING btree (due_at, id) WHERE (due_at IS NOT NULL)
alert: CREATE INDEX alert_of_incident ON public.alert USING btree (incident_id) WHERE (incident_id IS NOT NULL)
alert: CREATE UNIQUE INDEX alert_stands_once ON public.alert USING btree (code, program_id, subject, period) WHERE (state <> 'resolved'::text)
alert: CREATE INDEX alert_untold ON public.alert USING btree (id) WHERE (untold_since IS NOT NULL)
approval_decision: CREATE INDEX approval_decision_by_writer ON public.approval_decision USING btree (written_by)
approval_proposal: CREATE INDEX approval_proposal_by_expiry ON public.approval_proposal USING btree (expires_at, id)
approval_proposal: CREATE INDEX approval_proposal_by_time ON public.approval_proposal USING btree (made_at, id)
approval_proposal: CREATE INDEX approval_proposal_by_writer ON public.approval_proposal USING btree (written_by)
approval_proposal: CREATE INDEX approval_proposal_of_subject ON public.approval_proposal USING btree (subject_id, id)
approval_use: CREATE INDEX approval_use_by_writer ON public.approval_use USING btree (COALESCE(written_by, '1'::xid8))
backup: CREATE INDEX backup_by_snapshot ON public.backup USING btree (snapshot_at DESC) WHERE (state = 'kept'::text)
backup: CREATE INDEX backup_by_state ON public.backup USING btree (state, id)
bank_file: CREATE INDEX bank_file_by_encryption_key ON public.bank_file USING btree (substr(envelope, 1, 4))
bank_line: CREATE INDEX bank_line_by_day ON public.bank_line USING btree (program_id, account, booked_on)
bank_line: CREATE INDEX bank_line_by_encryption_key ON public.bank_line USING btree (substr(envelope, 1, 4))
bank_line: CREATE INDEX bank_line_by_entry ON public.bank_line USING btree (program_id, account, entry) WHERE (entry IS NOT NULL)
bank_line: CREATE INDEX bank_line_of_file ON public.bank_line USING btree (file_id)
bank_report: CREATE INDEX bank_report_by_encryption_key ON public.bank_report USING btree (substr(envelope, 1, 4))
bank_report: CREATE UNIQUE INDEX bank_report_is_taken_once ON public.bank_report USING btree (provider, COALESCE(program_id, ''::text), sha256)
break: CREATE INDEX break_by_difference ON public.break USING btree (asset, abs(difference), id) WHERE (difference IS NOT NULL)
break: CREATE INDEX break_by_due ON public.break USING btree (due_on, id)
break: CREATE INDEX break_by_identity ON public.break USING btree (identity)
break: CREATE INDEX break_by_record ON public.break USING btree (program_id, record_id)
break: CREATE INDEX break_by_reference ON public.break USING btree (program_id, reference)
break: CREATE INDEX break_by_reference_alone ON public.break USING btree (reference) WHERE (reference IS NOT NULL)
break: CREATE INDEX break_by_stake ON public.break USING btree (asset, at_stake, id)
break: CREATE INDEX break_by_state ON public.break USING btree (state, id)
break: CREATE INDEX break_by_time ON public.break USING btree (opened_at, id)
break: CREATE INDEX break_copies ON public.break USING btree (duplicate_of) WHERE (duplicate_of IS NOT NULL)
break: CREATE UNIQUE INDEX break_lives_once ON public.break USING btree (program_id, source, identity) WHERE (state = ANY (ARRAY['open'::text, 'timing'::text, 'investigating'::text, 'pending_adjustment'::text]))
break: CREATE INDEX break_of_identity ON public.break USING btree (program_id, source, identity)
break: CREATE INDEX break_of_subject ON public.break USING btree (program_id, subject)
break: CREATE INDEX break_standing_days ON public.break USING btree (program_id, source, first_on) WHERE (gone_run IS NULL)
break: CREATE INDEX break_waits ON public.break USING btree (due_on) WHERE (state = 'timing'::text)
call: CREATE INDEX call_by_time ON public.call USING btree (provider, announced_at)
call: CREATE INDEX call_of_key ON public.call USING btree (provider, key)
call_answer: CREATE INDEX call_answer_due ON public.call_answer USING btree (due_at, id) WHERE (due_at IS NOT NULL)
carbon_bill: CREATE INDEX carbon_bill_of_days ON public.carbon_bill USING btree (program_id, first_day, last_day)
carbon_bill_line: CREATE INDEX carbon_bill_line_of_day ON public.carbon_bill_line USING btree (program_id, day, region)
carbon_credit: CREATE INDEX carbon_credit_of_series ON public.carbon_credit USING btree (registry, series, first_serial)
carbon_energy: CREATE INDEX carbon_energy_of_agent ON public.carbon_energy USING btree (agent_id, day)
carbon_energy: CREATE INDEX carbon_energy_of_day ON public.carbon_energy USING btree (day, region, agent_id)
carbon_posting: CREATE INDEX carbon_posting_of_day ON public.carbon_posting USING btree (day, agent_id)
carbon_retirement: CREATE INDEX carbon_retirement_by_time ON public.carbon_retirement USING btree (program_id, at)
carbon_retirement: CREATE INDEX carbon_retirement_of_credit ON public.carbon_retirement USING btree (credit_id, first_serial)
carbon_sync: CREATE INDEX carbon_sync_by_time ON public.carbon_sync USING btree (started_at)
chain_order: CREATE INDEX chain_order_by_reference ON public.chain_order USING btree (reference)
chargeback: CREATE INDEX chargeback_by_amount ON public.chargeback USING btree (asset, amount, id)
chargeback: CREATE INDEX chargeback_by_payee ON public.chargeback USING btree (payee_id, id, program_id)
chargeback: CREATE INDEX chargeback_by_reference ON public.chargeback USING btree (provider_ref)
chargeback: CREATE INDEX chargeback_by_state ON public.chargeback USING btree (state, id)
chargeback: CREATE INDEX chargeback_of_charge ON public.chargeback USING btree (charge_id)
chargeback: CREATE INDEX chargeback_of_customer ON public.chargeback USING btree (customer_id, program_id, id)
chargeback: CREATE INDEX chargeback_of_invoice ON public.chargeback USING btree (invoice_id)
chargeback: CREATE INDEX chargeback_of_payment ON public.chargeback USING btree (payment_id)
chargeback_debt: CREATE INDEX chargeback_debt_of_entry ON public.chargeback_debt USING btree (entry_id)
chargeback_escrow: CREATE INDEX chargeback_escrow_of_escrow ON public.chargeback_escrow USING btree (escrow_id)
chargeback_refund: CREATE INDEX chargeback_refund_of_refund ON public.chargeback_refund USING btree (refund_id)
chargeback_repaid: CREATE INDEX chargeback_repaid_of_payment ON public.chargeback_repaid USING btree (unidentified_payment_id)
circuit: CREATE INDEX circuit_by_state ON public.circuit USING btree (state, id)
client_money: CREATE INDEX client_money_by_day ON public.client_money USING btree (program_id, on_day)
commission: CREATE INDEX commission_by_state ON public.commission USING btree (state, id)
commission: CREATE INDEX commission_due ON public.commission USING btree (due_at, id) WHERE (due_at IS NOT NULL)
commission: CREATE INDEX commission_of_affiliate ON public.commission USING btree (affiliate_id, asset, state)
commission: CREATE INDEX commission_of_payment ON public.commission USING btree (payment_id) WHERE (payment_id IS NOT NULL)
commission_payment: CREATE INDEX commission_payment_of_affiliate ON public.commission_payment USING btree (affiliate_id, asset)
commission_sale: CREATE INDEX commission_sale_of_program ON public.commission_sale USING btree (program_id, at)
credit_note: CREATE INDEX credit_note_of_invoice ON public.credit_note USING btree (invoice_id)
customer_debt_entry: CREATE INDEX customer_debt_entry_of_customer ON public.customer_debt_entry USING btree (program_id, customer_id)
customer_debt_entry: CREATE INDEX customer_debt_entry_of_payment ON public.customer_debt_entry USING btree (payment_id) WHERE (payment_id IS NOT NULL)
customer_debt_entry: CREATE UNIQUE INDEX customer_debt_is_paid_once_by_a_transfer ON public.customer_debt_entry USING btree (reference) WHERE ((kind = 'paid'::text) AND (payment_id IS NULL))
destination: CREATE UNIQUE INDEX destination_active_is_one ON public.destination USING btree (program_id, payee_id) WHERE (ended_at IS NULL)
destination: CREATE INDEX destination_by_encryption_key ON public.destination USING btree (substr(envelope, 1, 4))
destination: CREATE INDEX destination_by_fingerprint_key ON public.destination USING btree (substr(fingerprint, 1, 4))
destination: CREATE INDEX destination_by_payee ON public.destination USING btree (payee_id, id)
destination: CREATE INDEX destination_by_state ON public.destination USING btree (state, id)
destination: CREATE INDEX destination_by_time ON public.destination USING btree (created_at, id)
destination: CREATE INDEX destination_of_payee ON public.destination USING btree (payee_id, program_id)
dispute: CREATE INDEX dispute_by_customer ON public.dispute USING btree (customer_id, id, program_id)
dispute: CREATE INDEX dispute_by_exposure ON public.dispute USING btree (asset, exposure, id)
dispute: CREATE INDEX dispute_by_invoice ON public.dispute USING btree (invoice_id, id)
dispute: CREATE INDEX dispute_by_payee ON public.dispute USING btree (payee_id, id, program_id)
dispute: CREATE INDEX dispute_by_state ON public.dispute USING btree (state, id)
dispute: CREATE INDEX dispute_due ON public.dispute USING btree (due_at, id) WHERE (due_at IS NOT NULL)
dispute: CREATE INDEX dispute_of_payee ON public.dispute USING btree (program_id, payee_id) WHERE (ended_at IS NULL)
dispute: CREATE UNIQUE INDEX dispute_open_is_one ON public.dispute USING btree (invoice_id) WHERE (ended_at IS NULL)
drill: CREATE INDEX drill_by_name ON public.drill USING btree (name, finished_at DESC) WHERE (finished_at IS NOT NULL)
drill: CREATE INDEX drill_by_state ON public.drill USING btree (state, id)
drill: CREATE UNIQUE INDEX drill_runs_once ON public.drill USING btree (name) WHERE (state = ANY (ARRAY['waiting'::text, 'running'::text]))
escrow: CREATE INDEX escrow_by_amount ON public.escrow USING btree (asset, amount, id)
escrow: CREATE INDEX escrow_by_payee ON public.escrow USING btree (payee_id, id, program_id)
escrow: CREATE INDEX escrow_by_reference ON public.escrow USING btree (reference)
escrow: CREATE INDEX escrow_by_state ON public.escrow USING btree (state, id)
escrow: CREATE INDEX escrow_due ON public.escrow USING btree (due_at, id) WHERE (due_at IS NOT NULL)
escrow: CREATE INDEX escrow_of_customer ON public.escrow USING btree (customer_id, program_id, id)
escrow_evidence: CREATE INDEX escrow_evidence_of_condition ON public.escrow_evidence USING btree (escrow_id, condition, at)
escrow_evidence: CREATE UNIQUE INDEX escrow_evidence_one_signs_once ON public.escrow_evidence USING btree (escrow_id, condition, actor) WHERE (score_micro IS NULL)
escrow_movement: CREATE UNIQUE INDEX escrow_funding_by_the_bank_counts_once ON public.escrow_movement USING btree (reference) WHERE ((kind = 'fund'::text) AND (payment_id IS NULL))
escrow_movement: CREATE INDEX escrow_movement_by_time ON public.escrow_movement USING btree (at)
escrow_movement: CREATE INDEX escrow_movement_of_payment ON public.escrow_movement USING btree (payment_id) WHERE (payment_id IS NOT NULL)
escrow_movement: CREATE UNIQUE INDEX escrow_repayment_counts_once ON public.escrow_movement USING btree (provider, reference) WHERE (kind = 'repay'::text)
event: CREATE INDEX event_by_time ON public.event USING btree (at, id)
event: CREATE INDEX event_due ON public.event USING btree (due_at, id) WHERE (due_at IS NOT NULL)
event: CREATE INDEX event_of_subject ON public.event USING btree (subject_id, at)
event: CREATE INDEX event_parked ON public.event USING btree (state_at, id) WHERE (state = 'parked'::text)
hold: CREATE INDEX hold_by_credit ON public.hold USING btree (credit, taken_at)
hold: CREATE INDEX hold_by_debit ON public.hold USING btree (debit, taken_at)
hold: CREATE INDEX hold_of_source ON public.hold USING btree (source_type, source_id) WHERE (source_id IS NOT NULL)
holdback_tranche: CREATE INDEX holdback_tranche_by_state ON public.holdback_tranche USING btree (state, id)
holdback_tranche: CREATE INDEX holdback_tranche_due ON public.holdback_tranche USING btree (due_at, id) WHERE (due_at IS NOT NULL)
holdback_tranche: CREATE INDEX holdback_tranche_of_payee ON public.holdback_tranche USING btree (payee_id, program_id, asset)
idempotency: CREATE INDEX idempotency_by_time ON public.idempotency USING btree (at)
incident: CREATE INDEX incident_by_state ON public.incident USING btree (state, id)
incident: CREATE INDEX incident_due ON public.incident USING btree (due_at, id) WHERE (due_at IS NOT NULL)
incident: CREATE UNIQUE INDEX incident_stands_once ON public.incident USING btree (code, program_id) WHERE (state <> 'closed'::text)
intent: CREATE INDEX intent_by_state ON public.intent USING btree (state, state_at)
intent: CREATE INDEX intent_by_time ON public.intent USING btree (created_at, id)
intent: CREATE INDEX intent_due ON public.intent USING btree (due_at, id) WHERE (due_at IS NOT NULL)
invoice: CREATE INDEX invoice_by_due ON public.invoice USING btree (due_on, id)
invoice: CREATE INDEX invoice_by_state ON public.invoice USING btree (program_id, state, id)
invoice: CREATE INDEX invoice_by_time ON public.invoice USING btree (issued_at)
invoice: CREATE INDEX invoice_by_total ON public.invoice USING btree (asset, total, id)
invoice: CREATE INDEX invoice_of_customer ON public.invoice USING btree (customer_id, program_id, issued_at)
invoice: CREATE INDEX invoice_of_payee ON public.invoice USING btree (payee_id, id, program_id)
invoice: CREATE INDEX invoice_unpaid ON public.invoice USING btree (due_on, id) WHERE (state = ANY (ARRAY['pending'::text, 'partially_paid'::text, 'overdue'::text]))
journal: CREATE INDEX journal_by_writer ON public.journal USING btree (written_by)
journal: CREATE UNIQUE INDEX journal_is_reversed_once ON public.journal USING btree (reverses, COALESCE(reverses_line, 0)) WHERE (reverses IS NOT NULL)
journal: CREATE INDEX journal_of_source ON public.journal USING btree (source_type, source_id) WHERE (source_id IS NOT NULL)
late_posting: CREATE INDEX late_posting_by_time ON public.late_posting USING btree (occurred_at)
log_entry: CREATE INDEX log_entry_by_time ON public.log_entry USING btree (recorded_at, index)
log_key: CREATE INDEX log_key_by_encryption_key ON public.log_key USING btree (substr(envelope, 1, 4))
login_attempt: CREATE INDEX login_attempt_by_time ON public.login_attempt USING btree (begun_at)
login_subject: CREATE UNIQUE INDEX login_subject_is_one ON public.login_subject USING btree (issuer, subject) WHERE (ended_at IS NULL)
login_subject: CREATE INDEX login_subject_of_principal ON public.login_subject USING btree (principal_id, linked_at)
notice: CREATE INDEX notice_by_state ON public.notice USING btree (state, id)
notice: CREATE INDEX notice_due ON public.notice USING btree (due_at, id) WHERE (due_at IS NOT NULL)
notice: CREATE INDEX notice_of_group ON public.notice USING btree (channel, group_key, id DESC)
open_hold: CREATE INDEX open_hold_by_credit ON public.open_hold USING btree (credit)
open_hold: CREATE INDEX open_hold_by_debit ON public.open_hold USING btree (debit)
open_hold: CREATE INDEX open_hold_by_expiry ON public.open_hold USING btree (expires_at, hold_id) WHERE (expires_at IS NOT NULL)
overpayment: CREATE INDEX overpayment_by_amount ON public.overpayment USING btree (asset, amount, id)
overpayment: CREATE INDEX overpayment_by_invoice ON public.overpayment USING btree (invoice_id, id)
overpayment: CREATE INDEX overpayment_by_state ON public.overpayment USING btree (state, id)
overpayment: CREATE INDEX overpayment_of_customer ON public.overpayment USING btree (customer_id, program_id, id)
payment: CREATE INDEX payment_by_time ON public.payment USING btree (recorded_at)
payment: CREATE INDEX payment_of_invoice ON public.payment USING btree (invoice_id) WHERE (invoice_id IS NOT NULL)
payment: CREATE INDEX payment_of_nobody ON public.payment USING btree (program_id, asset, recorded_at) WHERE (invoice_id IS NULL)
payment_file: CREATE INDEX payment_file_by_encryption_key ON public.payment_file USING btree (substr(envelope, 1, 4))
payment_file: CREATE INDEX payment_file_by_state ON public.payment_file USING btree (state, id)
payment_file: CREATE INDEX payment_file_of_program ON public.payment_file USING btree (program_id, id)
payout: CREATE INDEX payout_by_amount ON public.payout USING btree (asset, amount, id)
payout: CREATE INDEX payout_by_state ON public.payout USING btree (state, id)
payout: CREATE INDEX payout_by_time ON public.payout USING btree (created_at)
payout: CREATE INDEX payout_due ON public.payout USING btree (due_at, id) WHERE (due_at IS NOT NULL)
payout: CREATE INDEX payout_of_payee ON public.payout USING btree (payee_id, id, program_id)
payout: CREATE INDEX payout_of_settlement ON public.payout USING btree (settlement_id)
payout: CREATE UNIQUE INDEX payout_under_way_is_one ON public.payout USING btree (settlement_id) WHERE (state = ANY (ARRAY['pending'::text, 'processing'::text, 'reconcile_required'::text]))
payout_approval: CREATE INDEX payout_approval_by_rule ON public.payout_approval USING btree (destination_id, at) WHERE (basis = 'rule'::text)
payout_approval: CREATE INDEX payout_approval_of_batch ON public.payout_approval USING btree (batch_id) WHERE (batch_id IS NOT NULL)
payout_approval: CREATE INDEX payout_approval_of_payout ON public.payout_approval USING btree (payout_id)
payout_batch: CREATE INDEX payout_batch_by_amount ON public.payout_batch USING btree (asset, amount, id)
payout_batch: CREATE INDEX payout_batch_by_state ON public.payout_batch USING btree (state, id)
payout_batch: CREATE INDEX payout_batch_due ON public.payout_batch USING btree (due_at, id) WHERE (due_at IS NOT NULL)
payout_batch_line: CREATE UNIQUE INDEX payout_batch_line_lives_once ON public.payout_batch_line USING btree (payout_id) WHERE live
payout_batch_line: CREATE INDEX payout_batch_line_of_payout ON public.payout_batch_line USING btree (payout_id)
period_close: CREATE INDEX period_close_by_writer ON public.period_close USING btree (written_by)
posting: CREATE UNIQUE INDEX posting_by_credit ON public.posting USING btree (segment, credit, seq)
posting: CREATE UNIQUE INDEX posting_by_debit ON public.posting USING btree (segment, debit, seq)
posting: CREATE UNIQUE INDEX posting_movement_is_posted_once ON public.posting USING btree (movement) WHERE (movement IS NOT NULL)
posting: CREATE INDEX posting_off_clock_by_credit ON public.posting USING btree (credit, effective_at) WHERE off_clock
posting: CREATE INDEX posting_off_clock_by_debit ON public.posting USING btree (debit, effective_at) WHERE off_clock
program_segment: CREATE INDEX program_segment_by_beginning ON public.program_segment USING btree (program_id, first_seq, segment)
proof: CREATE INDEX proof_by_period ON public.proof USING btree (to_at, created_at)
proof: CREATE INDEX proof_by_state ON public.proof USING btree (state, id)
proof_export: CREATE INDEX proof_export_by_proof ON public.proof_export USING btree (proof_id, id) WHERE (proof_id IS NOT NULL)
proof_export: CREATE INDEX proof_export_by_start ON public.proof_export USING btree (started_at, id)
proof_export: CREATE INDEX proof_export_by_state ON public.proof_export USING btree (state, id)
provider_conflict: CREATE INDEX provider_conflict_by_state ON public.provider_conflict USING btree (state, provider_payout_id)
provider_conflict: CREATE UNIQUE INDEX provider_conflict_open_is_one ON public.provider_conflict USING btree (provider_payout_id, said) WHERE (state = 'open'::text)
provider_payout: CREATE INDEX provider_payout_by_reference ON public.provider_payout USING btree (provider_ref) WHERE (provider_ref IS NOT NULL)
provider_payout: CREATE INDEX provider_payout_by_state ON public.provider_payout USING btree (state, id)
provider_payout: CREATE INDEX provider_payout_due ON public.provider_payout USING btree (due_at, id) WHERE (due_at IS NOT NULL)
provider_payout: CREATE UNIQUE INDEX provider_payout_live_is_one ON public.provider_payout USING btree (payout_id) WHERE (state = ANY (ARRAY['queued'::text, 'sending'::text, 'sent'::text, 'unknown'::text, 'quarantined'::text]))
provider_payout: CREATE INDEX provider_payout_of_destination ON public.provider_payout USING btree (destination_id)
provider_payout: CREATE INDEX provider_payout_paid_in_part ON public.provider_payout USING btree (payout_id) WHERE (paid < amount)
queue_pause: CREATE INDEX queue_pause_latest ON public.queue_pause USING btree (queue, provider, program_id, number DESC)
reconciliation_gap: CREATE INDEX reconciliation_gap_by_moment ON public.reconciliation_gap USING btree (last_at, ((((name || '@'::text) || (((EXTRACT(epoch FROM (first_at AT TIME ZONE 'UTC'::text)) * (1000000)::numeric))::bigint)::text) || '+'::text)))
reconciliation_gap: CREATE INDEX reconciliation_gap_by_taking ON public.reconciliation_gap USING btree (noticed_at, ((((name || '@'::text) || (((EXTRACT(epoch FROM (first_at AT TIME ZONE 'UTC'::text)) * (1000000)::numeric))::bigint)::text) || '+'::text)))
reconciliation_gap: CREATE INDEX reconciliation_gap_newest ON public.reconciliation_gap USING btree (last_at, name)
reconciliation_run: CREATE INDEX reconciliation_run_again ON public.reconciliation_run USING btree (inputs_sha256) WHERE (inputs_sha256 IS NOT NULL)
reconciliation_run: CREATE INDEX reconciliation_run_latest ON public.reconciliation_run USING btree (program_id, source, started_at)
reconciliation_run: CREATE INDEX reconciliation_run_newest ON public.reconciliation_run USING btree (program_id, source, number DESC) WHERE (state = 'finished'::text)
reconciliation_run: CREATE INDEX reconciliation_run_running ON public.reconciliation_run USING btree (beat_at) WHERE (state = 'running'::text)
reconciliation_slot: CREATE INDEX reconciliation_slot_by_moment ON public.reconciliation_slot USING btree (slot_at, (((name || '@'::text) || (((EXTRACT(epoch FROM (slot_at AT TIME ZONE 'UTC'::text)) * (1000000)::numeric))::bigint)::text)))
reconciliation_slot: CREATE INDEX reconciliation_slot_by_taking ON public.reconciliation_slot USING btree (taken_at, (((name || '@'::text) || (((EXTRACT(epoch FROM (slot_at AT TIME ZONE 'UTC'::text)) * (1000000)::numeric))::bigint)::text)))
reconciliation_slot: CREATE INDEX reconciliation_slot_newest ON public.reconciliation_slot USING btree (slot_at, name)
referral: CREATE INDEX referral_of_affiliate ON public.referral USING btree (affiliate_id)
refund: CREATE INDEX refund_by_amount ON public.refund USING btree (asset, amount, id)
refund: CREATE INDEX refund_by_payee ON public.refund USING btree (payee_id, id, program_id)
refund: CREATE INDEX refund_by_state ON public.refund USING btree (state, id)
refund: CREATE INDEX refund_of_customer ON public.refund USING btree (customer_id, program_id, id)
refund: CREATE INDEX refund_of_invoice ON public.refund USING btree (invoice_id)
refund: CREATE INDEX refund_of_settlement ON public.refund USING btree (settlement_id) WHERE (settlement_id IS NOT NULL)
request_turn: CREATE INDEX request_turn_by_second ON public.request_turn USING btree (second)
reversal: CREATE INDEX reversal_by_journal ON public.reversal USING btree (reversed_by)
role_grant: CREATE UNIQUE INDEX role_is_granted_once ON public.role_grant USING btree (principal_id, role, COALESCE(program_id, ''::text)) WHERE (revoked_at IS NULL)
run_finding: CREATE INDEX run_finding_again ON public.run_finding USING btree (identity)
runbook_run: CREATE INDEX runbook_run_by_name ON public.runbook_run USING btree (runbook, id DESC)
runbook_run: CREATE INDEX runbook_run_by_state ON public.runbook_run USING btree (state, id)
runbook_run: CREATE INDEX runbook_run_of_alert ON public.runbook_run USING btree (alert_id) WHERE (alert_id IS NOT NULL)
schedule_end: CREATE INDEX schedule_end_by_slot ON public.schedule_end USING btree (name, slot_at, number DESC)
second_administrator: CREATE INDEX second_administrator_by_time ON public.second_administrator USING btree (announced_at)
second_factor: CREATE INDEX second_factor_by_encryption_key ON public.second_factor USING btree (substr(envelope, 1, 4))
second_factor: CREATE UNIQUE INDEX second_factor_is_one ON public.second_factor USING btree (principal_id) WHERE ((confirmed_at IS NOT NULL) AND (ended_at IS NULL))
second_factor: CREATE INDEX second_factor_of_principal ON public.second_factor USING btree (principal_id)
sentinel_check: CREATE INDEX sentinel_check_by_code ON public.sentinel_check USING btree (code, run_id DESC)
sentinel_run: CREATE INDEX sentinel_run_by_kind ON public.sentinel_run USING btree (kind, number DESC)
sentinel_run: CREATE INDEX sentinel_run_by_state ON public.sentinel_run USING btree (state, id)
session: CREATE INDEX session_of_principal ON public.session USING btree (principal_id, id)
settlement: CREATE INDEX settlement_by_time ON public.settlement USING btree (at)
silence: CREATE INDEX silence_by_end ON public.silence USING btree (until) WHERE (state = 'active'::text)
silence: CREATE INDEX silence_by_state ON public.silence USING btree (state, id)
step: CREATE INDEX step_by_time ON public.step USING brin (at) WITH (pages_per_range='16')
store_copy: CREATE INDEX copy_by_state ON public.store_copy USING btree (state, id)
store_copy: CREATE INDEX store_copy_by_look ON public.store_copy USING btree (looked_at) WHERE (state = ANY (ARRAY['kept'::text, 'wrong'::text]))
store_copy: CREATE INDEX store_copy_by_subject ON public.store_copy USING btree (subject_id) WHERE (subject_id IS NOT NULL)
store_copy: CREATE INDEX store_copy_due ON public.store_copy USING btree (due_at, id) WHERE (due_at IS NOT NULL)
store_copy: CREATE UNIQUE INDEX store_copy_lies_once ON public.store_copy USING btree (store, path) WHERE ((state <> 'dropped'::text) AND (unwanted_at IS NULL))
store_copy: CREATE INDEX store_copy_unwanted ON public.store_copy USING btree (id) WHERE ((unwanted_at IS NOT NULL) AND (state <> 'dropped'::text))
treasury_movement: CREATE INDEX treasury_movement_by_time ON public.treasury_movement USING btree (program_id, asset, at)
two_phase: CREATE INDEX transaction_by_state ON public.two_phase USING btree (state, id)
two_phase: CREATE INDEX two_phase_by_age ON public.two_phase USING btree (created_at, id)
two_phase: CREATE INDEX two_phase_due ON public.two_phase USING btree (due_at, id) WHERE (due_at IS NOT NULL)
two_phase: CREATE UNIQUE INDEX two_phase_is_of_a_peer_once ON public.two_phase USING btree (coordinator, foreign_id) WHERE (coordinator IS NOT NULL)
two_phase_call: CREATE INDEX two_phase_call_due ON public.two_phase_call USING btree (due_at) WHERE (due_at IS NOT NULL)
two_phase_participant: CREATE UNIQUE INDEX two_phase_names_a_peer_once ON public.two_phase_participant USING btree (transaction_id, peer, COALESCE(peer_agent, ''::text), asset) WHERE (peer IS NOT NULL)
two_phase_participant: CREATE INDEX two_phase_of_agent ON public.two_phase_participant USING btree (agent_id, asset, transaction_id)
two_phase_participant: CREATE INDEX two_phase_of_peer ON public.two_phase_participant USING btree (program_id, peer) WHERE (peer IS NOT NULL)
unidentified_payment: CREATE INDEX unidentified_payment_by_amount ON public.unidentified_payment USING btree (asset, amount, id)
unidentified_payment: CREATE INDEX unidentified_payment_by_charge ON public.unidentified_payment USING btree (charge_id, id)
unidentified_payment: CREATE INDEX unidentified_payment_by_provider ON public.unidentified_payment USING btree (provider, id)
unidentified_payment: CREATE INDEX unidentified_payment_by_reference ON public.unidentified_payment USING btree (reference, id)
unidentified_payment: CREATE INDEX unidentified_payment_by_state ON public.unidentified_payment USING btree (state, id)
unidentified_payment: CREATE INDEX unidentified_payment_by_time ON public.unidentified_payment USING btree (created_at, id)
unidentified_payment: CREATE INDEX unidentified_payment_of_customer ON public.unidentified_payment USING btree (customer_id, program_id, id)
usage_file: CREATE INDEX usage_file_by_name ON public.usage_file USING btree (file_name, id)
usage_file: CREATE INDEX usage_file_by_start ON public.usage_file USING btree (began_at, id)
usage_file: CREATE INDEX usage_file_by_word ON public.usage_file USING btree (heard_at, id)
usage_record: CREATE INDEX usage_not_invoiced ON public.usage_record USING btree (program_id, customer_id, payee_id, asset) WHERE (invoice_id IS NULL)
usage_record: CREATE INDEX usage_of_invoice ON public.usage_record USING btree (invoice_id, line) WHERE (invoice_id IS NOT NULL)
usage_record: CREATE INDEX usage_of_parties ON public.usage_record USING btree (program_id, customer_id, payee_id, occurred_at)
webhook_attempt: CREATE INDEX webhook_attempt_by_time ON public.webhook_attempt USING brin (at) WITH (pages_per_range='16')
webhook_delivery: CREATE INDEX delivery_by_state ON public.webhook_delivery USING btree (state, id)
webhook_delivery: CREATE INDEX webhook_delivery_by_time ON public.webhook_delivery USING btree (created_at, id)
webhook_delivery: CREATE INDEX webhook_delivery_due ON public.webhook_delivery USING btree (due_at, id) WHERE (due_at IS NOT NULL)
webhook_delivery: CREATE INDEX webhook_delivery_due_by_endpoint ON public.webhook_delivery USING btree (endpoint_id, due_at, id) WHERE (due_at IS NOT NULL)
webhook_delivery: CREATE INDEX webhook_delivery_of_endpoint ON public.webhook_delivery USING btree (endpoint_id, id)
webhook_endpoint: CREATE INDEX endpoint_by_state ON public.webhook_endpoint USING btree (state, id)
webhook_in: CREATE INDEX webhook_in_by_encryption_key ON public.webhook_in USING btree (substr(envelope, 1, 4))
webhook_in: CREATE INDEX webhook_in_due ON public.webhook_in USING btree (due_at, id) WHERE (due_at IS NOT NULL)
webhook_in: CREATE INDEX webhook_in_parked ON public.webhook_in USING btree (state_at, id) WHERE (state = 'parked'::text)
webhook_secret: CREATE INDEX webhook_secret_by_encryption_key ON public.webhook_secret USING btree (substr(envelope, 1, 4))
work_mishap: CREATE INDEX work_mishap_by_time ON public.work_mishap USING btree (at)

-- triggers
access_event: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.access_event FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
access_event: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.access_event FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
access_event: CREATE TRIGGER is_sealed AFTER INSERT ON public.access_event REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_access_event() -- always
account: CREATE TRIGGER account_guard_is_kept AFTER INSERT ON public.account REFERENCING NEW TABLE AS new_account FOR EACH STATEMENT EXECUTE FUNCTION account_guard_is_kept() -- always
account: CREATE TRIGGER account_moves_by_triggers BEFORE UPDATE ON public.account FOR EACH STATEMENT WHEN ((pg_trigger_depth() = 0)) EXECUTE FUNCTION refuse_direct_update() -- always
account: CREATE TRIGGER accounts_were_opened AFTER INSERT ON public.account REFERENCING NEW TABLE AS new_account FOR EACH STATEMENT EXECUTE FUNCTION accounts_were_opened() -- always
account: CREATE TRIGGER is_append_only BEFORE DELETE ON public.account FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
account: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.account FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
account: CREATE TRIGGER is_sealed AFTER INSERT ON public.account REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_account() -- always
account_flag: CREATE TRIGGER account_flag_was_set AFTER INSERT ON public.account_flag FOR EACH ROW EXECUTE FUNCTION account_flag_was_set() -- always
account_flag: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.account_flag FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
account_flag: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.account_flag FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
account_flag: CREATE TRIGGER is_sealed AFTER INSERT ON public.account_flag REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_account_flag() -- always
account_flag: CREATE TRIGGER note_transaction BEFORE INSERT ON public.account_flag FOR EACH ROW EXECUTE FUNCTION note_transaction() -- always
account_flag: CREATE TRIGGER payee_account_closes_when_nothing_is_on_its_way BEFORE INSERT ON public.account_flag FOR EACH ROW WHEN (((new.flag = 'closed'::text) AND new.value)) EXECUTE FUNCTION payee_account_closes_when_nothing_is_on_its_way() -- always
account_guard: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.account_guard FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
account_guard: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.account_guard FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
account_guard: CREATE TRIGGER is_sealed AFTER INSERT ON public.account_guard REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_account_guard() -- always
account_guard: CREATE TRIGGER note_transaction BEFORE INSERT ON public.account_guard FOR EACH ROW EXECUTE FUNCTION note_transaction() -- always
action: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.action FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
action: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.action FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
action: CREATE TRIGGER is_sealed AFTER INSERT ON public.action REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_action() -- always
action: CREATE TRIGGER note_transaction BEFORE INSERT ON public.action FOR EACH ROW EXECUTE FUNCTION note_transaction() -- always
action_origin: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.action_origin FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
action_origin: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.action_origin FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
action_origin: CREATE TRIGGER is_sealed AFTER INSERT ON public.action_origin REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_action_origin() -- always
affiliate: CREATE TRIGGER affiliate_follows_table BEFORE UPDATE OF state ON public.affiliate FOR EACH ROW EXECUTE FUNCTION state_follows_table('affiliate')
affiliate: CREATE TRIGGER affiliate_is_born_alone BEFORE INSERT ON public.affiliate FOR EACH ROW EXECUTE FUNCTION affiliate_is_born_alone()
affiliate: CREATE TRIGGER is_sealed AFTER INSERT ON public.affiliate REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_affiliate() -- always
affiliate_placement: CREATE TRIGGER affiliate_is_placed BEFORE INSERT ON public.affiliate_placement FOR EACH ROW EXECUTE FUNCTION affiliate_is_placed() -- always
affiliate_placement: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.affiliate_placement FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
affiliate_placement: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.affiliate_placement FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
affiliate_placement: CREATE TRIGGER is_sealed AFTER INSERT ON public.affiliate_placement REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_affiliate_placement() -- always
agent: CREATE TRIGGER agent_follows_table BEFORE UPDATE OF state ON public.agent FOR EACH ROW EXECUTE FUNCTION state_follows_table('agent')
agent: CREATE TRIGGER is_sealed AFTER INSERT ON public.agent REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_agent() -- always
agent_mandate: CREATE TRIGGER agent_mandate_fits BEFORE INSERT ON public.agent_mandate FOR EACH ROW EXECUTE FUNCTION agent_mandate_fits() -- always
agent_mandate: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.agent_mandate FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
agent_mandate: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.agent_mandate FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
agent_mandate: CREATE TRIGGER is_sealed AFTER INSERT ON public.agent_mandate REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_agent_mandate() -- always
agent_mandate: CREATE CONSTRAINT TRIGGER two_people_agent_grant AFTER INSERT ON public.agent_mandate DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN ((NOT new.revoked)) EXECUTE FUNCTION two_people('agent', 'grant', 'n.agent_id', '
    p ->> ''asset'' = n.asset and p ->> ''counterparty'' is not distinct from n.counterparty_id and p ->> ''towards'' = n.towards
    and p ->> ''per_transaction'' is not distinct from n.per_transaction::text and p ->> ''per_hour'' is not distinct from n.per_hour::text
    and p ->> ''per_day'' is not distinct from n.per_day::text and p ->> ''per_week'' is not distinct from n.per_week::text
    and p ->> ''per_month'' is not distinct from n.per_month::text
    and (p ->> ''expires_at'')::timestamptz is not distinct from n.expires_at', 'false') -- always
alert: CREATE TRIGGER alert_follows_table BEFORE UPDATE OF state ON public.alert FOR EACH ROW EXECUTE FUNCTION state_follows_table('alert')
api_key: CREATE TRIGGER an_administrator_stays AFTER UPDATE OF revoked_at ON public.api_key FOR EACH ROW WHEN (((old.role = 'administrator'::text) AND (new.revoked_at IS NOT NULL) AND (old.revoked_at IS NULL))) EXECUTE FUNCTION an_administrator_stays()
api_key: CREATE TRIGGER api_key_once_revoked_at BEFORE UPDATE OF revoked_at ON public.api_key FOR EACH ROW WHEN (((old.revoked_at IS NOT NULL) AND (new.revoked_at IS DISTINCT FROM old.revoked_at))) EXECUTE FUNCTION refuse_another_value('revoked_at')
api_key: CREATE TRIGGER is_sealed AFTER INSERT ON public.api_key REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_api_key() -- always
api_key: CREATE TRIGGER note_transaction BEFORE INSERT ON public.api_key FOR EACH ROW EXECUTE FUNCTION note_transaction() -- always
api_key: CREATE CONSTRAINT TRIGGER two_people_api_key_create AFTER INSERT ON public.api_key DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (true) EXECUTE FUNCTION two_people('api_key', 'create', '''key:'' || n.name', '
    p ->> ''name'' = n.name and p ->> ''role'' = n.role
    and (p ->> ''expiresAt'')::timestamptz is not distinct from n.expires_at
    and p ->> ''programId'' is not distinct from n.program_id
    and coalesce(p -> ''scopes'', ''null'') = coalesce(to_jsonb(n.scopes), ''null'')
    and case when p ->> ''principalId'' is null
             then exists (select from principal o where o.id = n.principal_id and o.kind = ''service'' and o.name = n.name)
             else p ->> ''principalId'' = n.principal_id end', 'false') -- always
api_key_secret: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.api_key_secret FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
api_key_secret: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.api_key_secret FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
api_key_secret: CREATE CONSTRAINT TRIGGER two_people_api_key_rotate AFTER INSERT ON public.api_key_secret DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (true) EXECUTE FUNCTION two_people('api_key', 'rotate', 'n.api_key_id', 'p ->> ''overlap'' = n.overlap', 'false') -- always
approval_decision: CREATE TRIGGER a_fresh_factor_approves BEFORE INSERT ON public.approval_decision FOR EACH ROW WHEN ((new.decision = 'approved'::text)) EXECUTE FUNCTION a_fresh_factor_approves()
approval_decision: CREATE TRIGGER a_person_approves BEFORE INSERT ON public.approval_decision FOR EACH ROW EXECUTE FUNCTION a_person_approves()
approval_decision: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.approval_decision FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
approval_decision: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.approval_decision FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
approval_decision: CREATE TRIGGER is_sealed AFTER INSERT ON public.approval_decision REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_approval_decision() -- always
approval_decision: CREATE TRIGGER note_transaction BEFORE INSERT ON public.approval_decision FOR EACH ROW EXECUTE FUNCTION note_transaction() -- always
approval_proposal: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.approval_proposal FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
approval_proposal: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.approval_proposal FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
approval_proposal: CREATE TRIGGER is_sealed AFTER INSERT ON public.approval_proposal REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_approval_proposal() -- always
approval_proposal: CREATE TRIGGER note_transaction BEFORE INSERT ON public.approval_proposal FOR EACH ROW EXECUTE FUNCTION note_transaction() -- always
approval_use: CREATE TRIGGER approval_is_used_rightly BEFORE INSERT ON public.approval_use FOR EACH ROW EXECUTE FUNCTION approval_is_used_rightly()
approval_use: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.approval_use FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
approval_use: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.approval_use FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
approval_use: CREATE TRIGGER is_sealed AFTER INSERT ON public.approval_use REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_approval_use() -- always
approval_use: CREATE TRIGGER note_transaction BEFORE INSERT ON public.approval_use FOR EACH ROW EXECUTE FUNCTION note_transaction() -- always
asset: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.asset FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
asset: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.asset FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
asset: CREATE TRIGGER is_sealed AFTER INSERT ON public.asset REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_asset() -- always
backup: CREATE TRIGGER backup_follows_table BEFORE UPDATE OF state ON public.backup FOR EACH ROW EXECUTE FUNCTION state_follows_table('backup')
bank_file: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE OF id, program_id, account, file_name, sha256, format, records, new, known, notes, actor, at, rejected_count ON public.bank_file FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
bank_file: CREATE TRIGGER is_encrypted BEFORE INSERT ON public.bank_file FOR EACH ROW WHEN (((new.envelope IS NULL) OR (new.rejected IS NOT NULL))) EXECUTE FUNCTION refuse_clear()
bank_file: CREATE TRIGGER is_encrypted_anew BEFORE UPDATE OF envelope, rejected ON public.bank_file FOR EACH ROW WHEN (((new.envelope IS NULL) OR (new.rejected IS NOT NULL))) EXECUTE FUNCTION refuse_clear()
bank_file: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.bank_file FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
bank_file: CREATE TRIGGER is_sealed AFTER INSERT ON public.bank_file REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_bank_file() -- always
bank_line: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE OF program_id, account, key, asset, amount, booked_on, value_on, external_id, batch, file_id, line, bank_account, statement, "position", entry ON public.bank_line FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
bank_line: CREATE TRIGGER is_encrypted BEFORE INSERT ON public.bank_line FOR EACH ROW WHEN (((new.envelope IS NULL) OR (new.reference IS NOT NULL) OR (new.counterparty IS NOT NULL) OR (new.memo IS NOT NULL))) EXECUTE FUNCTION refuse_clear()
bank_line: CREATE TRIGGER is_encrypted_anew BEFORE UPDATE OF envelope, reference, counterparty, memo ON public.bank_line FOR EACH ROW WHEN (((new.envelope IS NULL) OR (new.reference IS NOT NULL) OR (new.counterparty IS NOT NULL) OR (new.memo IS NOT NULL))) EXECUTE FUNCTION refuse_clear()
bank_line: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.bank_line FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
bank_line: CREATE TRIGGER is_sealed AFTER INSERT ON public.bank_line REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_bank_line() -- always
bank_line_withdrawn: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.bank_line_withdrawn FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
bank_line_withdrawn: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.bank_line_withdrawn FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
bank_line_withdrawn: CREATE TRIGGER is_sealed AFTER INSERT ON public.bank_line_withdrawn REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_bank_line_withdrawn() -- always
bank_report: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE OF id, provider, program_id, file_id, format, file_name, sha256, told, actor, at ON public.bank_report FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
bank_report: CREATE TRIGGER is_encrypted BEFORE INSERT ON public.bank_report FOR EACH ROW WHEN (((new.envelope IS NULL) OR (new.body IS NOT NULL))) EXECUTE FUNCTION refuse_clear()
bank_report: CREATE TRIGGER is_encrypted_anew BEFORE UPDATE OF envelope, body ON public.bank_report FOR EACH ROW WHEN (((new.envelope IS NULL) OR (new.body IS NOT NULL))) EXECUTE FUNCTION refuse_clear()
bank_report: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.bank_report FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
bank_statement: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.bank_statement FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
bank_statement: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.bank_statement FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
bank_statement: CREATE TRIGGER is_sealed AFTER INSERT ON public.bank_statement REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_bank_statement() -- always
book: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.book FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
book: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.book FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
book: CREATE TRIGGER is_sealed AFTER INSERT ON public.book REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_book() -- always
break: CREATE TRIGGER break_follows_table BEFORE UPDATE OF state ON public.break FOR EACH ROW EXECUTE FUNCTION state_follows_table('break')
break: CREATE TRIGGER break_once_posted_after BEFORE UPDATE OF posted_after ON public.break FOR EACH ROW WHEN (((old.posted_after IS NOT NULL) AND (new.posted_after IS DISTINCT FROM old.posted_after))) EXECUTE FUNCTION refuse_another_value('posted_after')
break: CREATE TRIGGER is_sealed AFTER INSERT ON public.break REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_break() -- always
break_proposal: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.break_proposal FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
break_proposal: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.break_proposal FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
break_proposal: CREATE TRIGGER is_sealed AFTER INSERT ON public.break_proposal REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_break_proposal() -- always
break_remark: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.break_remark FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
break_remark: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.break_remark FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
break_remark: CREATE TRIGGER is_sealed AFTER INSERT ON public.break_remark REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_break_remark() -- always
call: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.call FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
call: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.call FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
call: CREATE TRIGGER is_sealed AFTER INSERT ON public.call REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_call() -- always
call_answer: CREATE TRIGGER call_answer_is_not_truncated BEFORE TRUNCATE ON public.call_answer FOR EACH STATEMENT EXECUTE FUNCTION call_answer_keeps_its_word() -- always
call_answer: CREATE TRIGGER call_answer_keeps_its_word BEFORE DELETE OR UPDATE ON public.call_answer FOR EACH ROW EXECUTE FUNCTION call_answer_keeps_its_word() -- always
call_answer: CREATE TRIGGER is_sealed AFTER INSERT ON public.call_answer REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_call_answer() -- always
carbon_bill: CREATE TRIGGER carbon_bill_is_over_its_lines BEFORE INSERT ON public.carbon_bill FOR EACH ROW EXECUTE FUNCTION carbon_bill_is_over_its_lines()
carbon_bill: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.carbon_bill FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
carbon_bill: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.carbon_bill FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
carbon_bill: CREATE TRIGGER is_sealed AFTER INSERT ON public.carbon_bill REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_carbon_bill() -- always
carbon_bill_line: CREATE TRIGGER carbon_bill_is_over_its_lines BEFORE INSERT ON public.carbon_bill_line FOR EACH ROW EXECUTE FUNCTION carbon_bill_is_over_its_lines()
carbon_bill_line: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.carbon_bill_line FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
carbon_bill_line: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.carbon_bill_line FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
carbon_bill_line: CREATE TRIGGER is_sealed AFTER INSERT ON public.carbon_bill_line REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_carbon_bill_line() -- always
carbon_credit: CREATE TRIGGER carbon_credit_is_bought_once BEFORE INSERT ON public.carbon_credit FOR EACH ROW EXECUTE FUNCTION carbon_credit_is_bought_once()
carbon_credit: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.carbon_credit FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
carbon_credit: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.carbon_credit FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
carbon_credit: CREATE TRIGGER is_sealed AFTER INSERT ON public.carbon_credit REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_carbon_credit() -- always
carbon_energy: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.carbon_energy FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
carbon_energy: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.carbon_energy FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
carbon_energy: CREATE TRIGGER is_sealed AFTER INSERT ON public.carbon_energy REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_carbon_energy() -- always
carbon_fetch: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.carbon_fetch FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
carbon_fetch: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.carbon_fetch FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
carbon_fetch: CREATE TRIGGER is_sealed AFTER INSERT ON public.carbon_fetch REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_carbon_fetch() -- always
carbon_intensity: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.carbon_intensity FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
carbon_intensity: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.carbon_intensity FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
carbon_intensity: CREATE TRIGGER is_sealed AFTER INSERT ON public.carbon_intensity REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_carbon_intensity() -- always
carbon_posting: CREATE TRIGGER carbon_posting_follows BEFORE INSERT ON public.carbon_posting FOR EACH ROW EXECUTE FUNCTION carbon_posting_follows()
carbon_posting: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.carbon_posting FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
carbon_posting: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.carbon_posting FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
carbon_posting: CREATE TRIGGER is_sealed AFTER INSERT ON public.carbon_posting REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_carbon_posting() -- always
carbon_retirement: CREATE TRIGGER carbon_serial_is_retired_once BEFORE INSERT ON public.carbon_retirement FOR EACH ROW EXECUTE FUNCTION carbon_serial_is_retired_once()
carbon_retirement: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.carbon_retirement FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
carbon_retirement: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.carbon_retirement FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
carbon_retirement: CREATE TRIGGER is_sealed AFTER INSERT ON public.carbon_retirement REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_carbon_retirement() -- always
carbon_sync: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.carbon_sync FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
carbon_sync: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.carbon_sync FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
carbon_sync: CREATE TRIGGER is_sealed AFTER INSERT ON public.carbon_sync REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_carbon_sync() -- always
chain_gas: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.chain_gas FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
chain_gas: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.chain_gas FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
chain_order: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.chain_order FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
chain_order: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.chain_order FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
chain_order: CREATE TRIGGER takes_the_next_nonce BEFORE INSERT ON public.chain_order FOR EACH ROW EXECUTE FUNCTION chain_order_takes_the_next_nonce() -- always
chain_sender: CREATE TRIGGER goes_forward BEFORE UPDATE ON public.chain_sender FOR EACH ROW EXECUTE FUNCTION chain_sender_goes_forward() -- always
chain_sighting: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.chain_sighting FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
chain_sighting: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.chain_sighting FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
chain_transaction: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.chain_transaction FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
chain_transaction: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.chain_transaction FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
chargeback: CREATE TRIGGER chargeback_follows_table BEFORE UPDATE OF state ON public.chargeback FOR EACH ROW EXECUTE FUNCTION state_follows_table('chargeback')
chargeback: CREATE TRIGGER chargeback_once_ended_at BEFORE UPDATE OF ended_at ON public.chargeback FOR EACH ROW WHEN (((old.ended_at IS NOT NULL) AND (new.ended_at IS DISTINCT FROM old.ended_at))) EXECUTE FUNCTION refuse_another_value('ended_at')
chargeback: CREATE TRIGGER chargeback_within_payment BEFORE INSERT ON public.chargeback FOR EACH ROW EXECUTE FUNCTION chargeback_within_payment() -- always
chargeback: CREATE TRIGGER is_sealed AFTER INSERT ON public.chargeback REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_chargeback() -- always
chargeback_conflict: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.chargeback_conflict FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
chargeback_conflict: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.chargeback_conflict FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
chargeback_conflict: CREATE TRIGGER is_sealed AFTER INSERT ON public.chargeback_conflict REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_chargeback_conflict() -- always
chargeback_debt: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.chargeback_debt FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
chargeback_debt: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.chargeback_debt FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
chargeback_debt: CREATE TRIGGER is_sealed AFTER INSERT ON public.chargeback_debt REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_chargeback_debt() -- always
chargeback_escrow: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.chargeback_escrow FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
chargeback_escrow: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.chargeback_escrow FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
chargeback_escrow: CREATE TRIGGER is_sealed AFTER INSERT ON public.chargeback_escrow REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_chargeback_escrow() -- always
chargeback_refund: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.chargeback_refund FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
chargeback_refund: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.chargeback_refund FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
chargeback_refund: CREATE TRIGGER is_sealed AFTER INSERT ON public.chargeback_refund REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_chargeback_refund() -- always
chargeback_repaid: CREATE TRIGGER chargeback_repaid_within_repayment BEFORE INSERT ON public.chargeback_repaid FOR EACH ROW EXECUTE FUNCTION chargeback_repaid_within_repayment() -- always
chargeback_repaid: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.chargeback_repaid FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
chargeback_repaid: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.chargeback_repaid FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
chargeback_repaid: CREATE TRIGGER is_sealed AFTER INSERT ON public.chargeback_repaid REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_chargeback_repaid() -- always
chargeback_ruling: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.chargeback_ruling FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
chargeback_ruling: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.chargeback_ruling FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
chargeback_ruling: CREATE TRIGGER is_sealed AFTER INSERT ON public.chargeback_ruling REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_chargeback_ruling() -- always
chargeback_ruling: CREATE CONSTRAINT TRIGGER two_people_chargeback_rule AFTER INSERT ON public.chargeback_ruling DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (true) EXECUTE FUNCTION two_people('chargeback', 'rule', 'n.chargeback_id', 'p ->> ''outcome'' = n.outcome', 'false') -- always
circuit: CREATE TRIGGER circuit_follows_table BEFORE UPDATE OF state ON public.circuit FOR EACH ROW EXECUTE FUNCTION state_follows_table('circuit')
client_money: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.client_money FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
client_money: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.client_money FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
client_money: CREATE TRIGGER is_sealed AFTER INSERT ON public.client_money REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_client_money() -- always
client_money_signature: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.client_money_signature FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
client_money_signature: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.client_money_signature FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
client_money_signature: CREATE TRIGGER is_sealed AFTER INSERT ON public.client_money_signature REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_client_money_signature() -- always
client_money_signature: CREATE TRIGGER signed_by_another BEFORE INSERT ON public.client_money_signature FOR EACH ROW EXECUTE FUNCTION signed_by_another() -- always
commission: CREATE TRIGGER commission_follows_table BEFORE UPDATE OF state ON public.commission FOR EACH ROW EXECUTE FUNCTION state_follows_table('commission')
commission: CREATE TRIGGER commission_is_due BEFORE INSERT ON public.commission FOR EACH ROW EXECUTE FUNCTION commission_is_due()
commission: CREATE TRIGGER commission_is_paid_by_its_payment BEFORE UPDATE OF state ON public.commission FOR EACH ROW EXECUTE FUNCTION commission_is_paid_by_its_payment()
commission: CREATE TRIGGER commission_once_paid BEFORE UPDATE OF paid ON public.commission FOR EACH ROW WHEN (((old.paid IS NOT NULL) AND (new.paid IS DISTINCT FROM old.paid))) EXECUTE FUNCTION refuse_another_value('paid')
commission: CREATE TRIGGER commission_once_payment_id BEFORE UPDATE OF payment_id ON public.commission FOR EACH ROW WHEN (((old.payment_id IS NOT NULL) AND (new.payment_id IS DISTINCT FROM old.payment_id))) EXECUTE FUNCTION refuse_another_value('payment_id')
commission: CREATE TRIGGER is_sealed AFTER INSERT ON public.commission REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_commission() -- always
commission_payment: CREATE CONSTRAINT TRIGGER commission_payment_is_whole AFTER INSERT ON public.commission_payment DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION commission_payment_is_whole()
commission_payment: CREATE TRIGGER commission_payment_nets BEFORE INSERT ON public.commission_payment FOR EACH ROW EXECUTE FUNCTION commission_payment_nets()
commission_payment: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.commission_payment FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
commission_payment: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.commission_payment FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
commission_payment: CREATE TRIGGER is_sealed AFTER INSERT ON public.commission_payment REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_commission_payment() -- always
commission_rate: CREATE TRIGGER commission_rates_within_cap BEFORE INSERT ON public.commission_rate FOR EACH ROW EXECUTE FUNCTION commission_rates_within_cap()
commission_rate: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.commission_rate FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
commission_rate: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.commission_rate FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
commission_rate: CREATE TRIGGER is_sealed AFTER INSERT ON public.commission_rate REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_commission_rate() -- always
commission_reversal: CREATE TRIGGER commission_is_reversed BEFORE INSERT ON public.commission_reversal FOR EACH ROW EXECUTE FUNCTION commission_is_reversed() -- always
commission_reversal: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.commission_reversal FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
commission_reversal: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.commission_reversal FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
commission_reversal: CREATE TRIGGER is_sealed AFTER INSERT ON public.commission_reversal REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_commission_reversal() -- always
commission_sale: CREATE TRIGGER commission_sale_is_true BEFORE INSERT ON public.commission_sale FOR EACH ROW EXECUTE FUNCTION commission_sale_is_true()
commission_sale: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.commission_sale FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
commission_sale: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.commission_sale FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
commission_sale: CREATE TRIGGER is_sealed AFTER INSERT ON public.commission_sale REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_commission_sale() -- always
credit_note: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.credit_note FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
credit_note: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.credit_note FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
credit_note: CREATE TRIGGER is_sealed AFTER INSERT ON public.credit_note REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_credit_note() -- always
customer_debt_entry: CREATE TRIGGER customer_debt_is_paid_with_what_is_there BEFORE INSERT ON public.customer_debt_entry FOR EACH ROW WHEN ((new.payment_id IS NOT NULL)) EXECUTE FUNCTION customer_debt_is_paid_with_what_is_there() -- always
customer_debt_entry: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.customer_debt_entry FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
customer_debt_entry: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.customer_debt_entry FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
customer_debt_entry: CREATE TRIGGER is_sealed AFTER INSERT ON public.customer_debt_entry REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_customer_debt_entry() -- always
customer_debt_entry: CREATE TRIGGER receipt_counts_once BEFORE INSERT ON public.customer_debt_entry FOR EACH ROW WHEN (((new.kind = 'paid'::text) AND (new.payment_id IS NULL))) EXECUTE FUNCTION receipt_counts_once() -- always
customer_debt_entry: CREATE CONSTRAINT TRIGGER two_people_customer_receivable_pay AFTER INSERT ON public.customer_debt_entry DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (((new.kind = 'paid'::text) AND (new.payment_id IS NULL))) EXECUTE FUNCTION two_people('customer_receivable', 'pay', 'n.program_id || '':'' || n.customer_id || '':'' || n.asset', 'p ->> ''amount'' = n.amount::text and p ->> ''reference'' = n.reference', 'false') -- always
customer_debt_entry: CREATE CONSTRAINT TRIGGER two_people_customer_receivable_write_off AFTER INSERT ON public.customer_debt_entry DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN ((new.kind = 'written_off'::text)) EXECUTE FUNCTION two_people('customer_receivable', 'write_off', 'n.program_id || '':'' || n.customer_id || '':'' || n.asset', 'p ->> ''amount'' = n.amount::text', 'false') -- always
destination: CREATE TRIGGER destination_follows_table BEFORE UPDATE OF state ON public.destination FOR EACH ROW EXECUTE FUNCTION state_follows_table('destination')
destination: CREATE TRIGGER destination_once_ended_at BEFORE UPDATE OF ended_at ON public.destination FOR EACH ROW WHEN (((old.ended_at IS NOT NULL) AND (new.ended_at IS DISTINCT FROM old.ended_at))) EXECUTE FUNCTION refuse_another_value('ended_at')
destination: CREATE TRIGGER fingerprint_goes_with_envelope BEFORE UPDATE OF fingerprint ON public.destination FOR EACH ROW WHEN (((new.fingerprint IS DISTINCT FROM old.fingerprint) AND ((NOT (new.envelope IS DISTINCT FROM old.envelope)) OR (substr(new.fingerprint, 1, 4) IS DISTINCT FROM substr(new.envelope, 1, 4))))) EXECUTE FUNCTION refuse_fingerprint_alone()
destination: CREATE TRIGGER is_encrypted BEFORE INSERT ON public.destination FOR EACH ROW WHEN (((new.envelope IS NULL) OR (new.token IS NOT NULL))) EXECUTE FUNCTION refuse_clear()
destination: CREATE TRIGGER is_encrypted_anew BEFORE UPDATE OF envelope, token ON public.destination FOR EACH ROW WHEN (((new.envelope IS NULL) OR (new.token IS NOT NULL))) EXECUTE FUNCTION refuse_clear()
destination: CREATE TRIGGER is_sealed AFTER INSERT ON public.destination REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_destination() -- always
destination: CREATE CONSTRAINT TRIGGER two_people_destination_set AFTER INSERT ON public.destination DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (true) EXECUTE FUNCTION two_people('destination', 'set', 'n.program_id || '':'' || n.payee_id', '
    p ->> ''programId'' = n.program_id and p ->> ''payeeId'' = n.payee_id and p ->> ''provider'' = n.provider
    and p ->> ''fingerprint'' = encode(n.fingerprint, ''hex'')', 'false') -- always
dispute: CREATE TRIGGER dispute_follows_table BEFORE UPDATE OF state ON public.dispute FOR EACH ROW EXECUTE FUNCTION state_follows_table('dispute')
dispute: CREATE TRIGGER dispute_once_appealed_by BEFORE UPDATE OF appealed_by ON public.dispute FOR EACH ROW WHEN (((old.appealed_by IS NOT NULL) AND (new.appealed_by IS DISTINCT FROM old.appealed_by))) EXECUTE FUNCTION refuse_another_value('appealed_by')
dispute: CREATE TRIGGER dispute_once_booked BEFORE UPDATE OF booked ON public.dispute FOR EACH ROW WHEN (((old.booked IS NOT NULL) AND (new.booked IS DISTINCT FROM old.booked))) EXECUTE FUNCTION refuse_another_value('booked')
dispute: CREATE TRIGGER dispute_once_ended_at BEFORE UPDATE OF ended_at ON public.dispute FOR EACH ROW WHEN (((old.ended_at IS NOT NULL) AND (new.ended_at IS DISTINCT FROM old.ended_at))) EXECUTE FUNCTION refuse_another_value('ended_at')
dispute: CREATE TRIGGER dispute_once_refund_id BEFORE UPDATE OF refund_id ON public.dispute FOR EACH ROW WHEN (((old.refund_id IS NOT NULL) AND (new.refund_id IS DISTINCT FROM old.refund_id))) EXECUTE FUNCTION refuse_another_value('refund_id')
dispute: CREATE TRIGGER is_sealed AFTER INSERT ON public.dispute REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_dispute() -- always
dispute_evidence: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.dispute_evidence FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
dispute_evidence: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.dispute_evidence FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
dispute_evidence: CREATE TRIGGER is_sealed AFTER INSERT ON public.dispute_evidence REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_dispute_evidence() -- always
drill: CREATE TRIGGER drill_follows_table BEFORE UPDATE OF state ON public.drill FOR EACH ROW EXECUTE FUNCTION state_follows_table('drill')
drill: CREATE TRIGGER drill_passes_by_its_checks BEFORE UPDATE OF state ON public.drill FOR EACH ROW EXECUTE FUNCTION drill_passes_by_its_checks()
drill_check: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.drill_check FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
drill_check: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.drill_check FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
drill_check: CREATE TRIGGER is_sealed AFTER INSERT ON public.drill_check REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_drill_check() -- always
escrow: CREATE TRIGGER escrow_follows_table BEFORE UPDATE OF state ON public.escrow FOR EACH ROW EXECUTE FUNCTION state_follows_table('escrow')
escrow: CREATE TRIGGER escrow_is_born_empty BEFORE INSERT ON public.escrow FOR EACH ROW EXECUTE FUNCTION escrow_is_born_empty()
escrow: CREATE TRIGGER is_sealed AFTER INSERT ON public.escrow REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_escrow() -- always
escrow_condition: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.escrow_condition FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
escrow_condition: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.escrow_condition FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
escrow_condition: CREATE TRIGGER is_sealed AFTER INSERT ON public.escrow_condition REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_escrow_condition() -- always
escrow_evidence: CREATE TRIGGER escrow_evidence_fits BEFORE INSERT ON public.escrow_evidence FOR EACH ROW EXECUTE FUNCTION escrow_evidence_fits()
escrow_evidence: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.escrow_evidence FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
escrow_evidence: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.escrow_evidence FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
escrow_evidence: CREATE TRIGGER is_sealed AFTER INSERT ON public.escrow_evidence REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_escrow_evidence() -- always
escrow_movement: CREATE TRIGGER escrow_moves BEFORE INSERT ON public.escrow_movement FOR EACH ROW EXECUTE FUNCTION escrow_moves() -- always
escrow_movement: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.escrow_movement FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
escrow_movement: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.escrow_movement FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
escrow_movement: CREATE TRIGGER is_sealed AFTER INSERT ON public.escrow_movement REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_escrow_movement() -- always
escrow_movement: CREATE TRIGGER receipt_counts_once BEFORE INSERT ON public.escrow_movement FOR EACH ROW WHEN (((new.kind = 'fund'::text) AND (new.payment_id IS NULL))) EXECUTE FUNCTION receipt_counts_once() -- always
escrow_movement: CREATE TRIGGER reference_pays_once BEFORE INSERT ON public.escrow_movement FOR EACH ROW WHEN ((new.kind = 'repay'::text)) EXECUTE FUNCTION reference_pays_once() -- always
escrow_movement: CREATE TRIGGER ruled_by_another BEFORE INSERT ON public.escrow_movement FOR EACH ROW WHEN (new.by_ruling) EXECUTE FUNCTION ruled_by_another() -- always
escrow_movement: CREATE CONSTRAINT TRIGGER two_people_escrow_fund_from_bank AFTER INSERT ON public.escrow_movement DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (((new.kind = 'fund'::text) AND (new.payment_id IS NULL))) EXECUTE FUNCTION two_people('escrow', 'fund_from_bank', 'n.escrow_id', '
    p ->> ''amount'' = n.amount::text and p ->> ''reference'' = n.reference', 'false') -- always
event: CREATE TRIGGER event_follows_table BEFORE UPDATE OF state ON public.event FOR EACH ROW EXECUTE FUNCTION state_follows_table('event')
event: CREATE TRIGGER event_is_delivered AFTER INSERT ON public.event REFERENCING NEW TABLE AS emitted FOR EACH STATEMENT EXECUTE FUNCTION deliver_events() -- always
event: CREATE TRIGGER is_sealed AFTER INSERT ON public.event REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_event() -- always
fee_limit: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.fee_limit FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
fee_limit: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.fee_limit FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
fee_limit: CREATE TRIGGER is_sealed AFTER INSERT ON public.fee_limit REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_fee_limit() -- always
fee_rate: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.fee_rate FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
fee_rate: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.fee_rate FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
fee_rate: CREATE TRIGGER is_sealed AFTER INSERT ON public.fee_rate REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_fee_rate() -- always
fee_term: CREATE TRIGGER fee_terms_look_ahead BEFORE INSERT ON public.fee_term FOR EACH ROW EXECUTE FUNCTION fee_terms_look_ahead()
fee_term: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.fee_term FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
fee_term: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.fee_term FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
fee_term: CREATE TRIGGER is_sealed AFTER INSERT ON public.fee_term REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_fee_term() -- always
hold: CREATE TRIGGER holds_were_inserted AFTER INSERT ON public.hold REFERENCING NEW TABLE AS new_hold FOR EACH STATEMENT EXECUTE FUNCTION holds_were_inserted() -- always
hold: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.hold FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
hold: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.hold FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
hold_resolution: CREATE TRIGGER holds_were_resolved AFTER INSERT ON public.hold_resolution REFERENCING NEW TABLE AS new_resolution FOR EACH STATEMENT EXECUTE FUNCTION holds_were_resolved() -- always
hold_resolution: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.hold_resolution FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
hold_resolution: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.hold_resolution FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
hold_resolution: CREATE TRIGGER promise_of_two_phase_is_kept AFTER INSERT ON public.hold_resolution REFERENCING NEW TABLE AS new_resolution FOR EACH STATEMENT EXECUTE FUNCTION promise_of_two_phase_is_kept() -- always
holdback_term: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.holdback_term FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
holdback_term: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.holdback_term FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
holdback_term: CREATE TRIGGER is_sealed AFTER INSERT ON public.holdback_term REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_holdback_term() -- always
holdback_tranche: CREATE TRIGGER holdback_tranche_follows_table BEFORE UPDATE OF state ON public.holdback_tranche FOR EACH ROW EXECUTE FUNCTION state_follows_table('holdback_tranche')
holdback_tranche: CREATE TRIGGER is_sealed AFTER INSERT ON public.holdback_tranche REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_holdback_tranche() -- always
holdback_use: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.holdback_use FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
holdback_use: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.holdback_use FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
holdback_use: CREATE TRIGGER is_sealed AFTER INSERT ON public.holdback_use REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_holdback_use() -- always
idempotency: CREATE TRIGGER idempotency_once_answer BEFORE UPDATE OF answer ON public.idempotency FOR EACH ROW WHEN (((old.answer IS DISTINCT FROM '{"begun": true}'::jsonb) AND (new.answer IS DISTINCT FROM old.answer))) EXECUTE FUNCTION refuse_another_value('answer')
incident: CREATE TRIGGER incident_follows_table BEFORE UPDATE OF state ON public.incident FOR EACH ROW EXECUTE FUNCTION state_follows_table('incident')
intent: CREATE TRIGGER intent_follows_table BEFORE UPDATE OF state ON public.intent FOR EACH ROW EXECUTE FUNCTION state_follows_table('intent')
intent: CREATE TRIGGER is_sealed AFTER INSERT ON public.intent REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_intent() -- always
invoice: CREATE TRIGGER invoice_follows_table BEFORE UPDATE OF state ON public.invoice FOR EACH ROW EXECUTE FUNCTION state_follows_table('invoice')
invoice: CREATE TRIGGER is_sealed AFTER INSERT ON public.invoice REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_invoice() -- always
invoice_write_off: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.invoice_write_off FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
invoice_write_off: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.invoice_write_off FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
invoice_write_off: CREATE TRIGGER is_sealed AFTER INSERT ON public.invoice_write_off REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_invoice_write_off() -- always
invoice_write_off: CREATE CONSTRAINT TRIGGER two_people_invoice_write_off AFTER INSERT ON public.invoice_write_off DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (true) EXECUTE FUNCTION two_people('invoice', 'write_off', 'n.invoice_id', 'p ->> ''amount'' = n.amount::text', 'false') -- always
journal: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.journal FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
journal: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.journal FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
journal: CREATE TRIGGER is_sealed AFTER INSERT ON public.journal REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_journal() -- always
journal: CREATE TRIGGER journals_were_inserted AFTER INSERT ON public.journal REFERENCING NEW TABLE AS new_journal FOR EACH STATEMENT EXECUTE FUNCTION journals_were_inserted() -- always
journal: CREATE TRIGGER keys_lie_in_their_spaces AFTER INSERT ON public.journal REFERENCING NEW TABLE AS new_journal FOR EACH STATEMENT EXECUTE FUNCTION keys_lie_in_their_spaces() -- always
journal: CREATE TRIGGER money_in_transit_is_not_reversed BEFORE INSERT ON public.journal FOR EACH ROW WHEN ((new.reverses IS NOT NULL)) EXECUTE FUNCTION money_in_transit_is_not_reversed() -- always
journal: CREATE TRIGGER promised_money_is_not_reversed BEFORE INSERT ON public.journal FOR EACH ROW WHEN ((new.reverses IS NOT NULL)) EXECUTE FUNCTION promised_money_is_not_reversed() -- always
journal: CREATE CONSTRAINT TRIGGER two_people_hold_post AFTER INSERT ON public.journal DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (((new.actor ~~ 'person:%'::text) AND (new.key ~~ 'hold.post:%'::text))) EXECUTE FUNCTION two_people('hold', 'post', 'substr(n.key, length(''hold.post:'') + 1)', '
    p ->> ''amount'' is null or (p ->> ''amount'')::bigint = (select sum(l.amount) from posting l where l.journal_id = n.id)', 'false') -- always
journal: CREATE CONSTRAINT TRIGGER two_people_journal_post AFTER INSERT ON public.journal DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (((new.actor ~~ 'person:%'::text) AND (new.reverses IS NULL))) EXECUTE FUNCTION two_people('journal', 'post', 'n.program_id || '':'' || n.key', '
    p ->> ''program_id'' = n.program_id and p ->> ''kind'' = n.kind and p ->> ''reason'' = n.narrative
    and p ->> ''asset'' = (select b.asset from book b where b.id = n.book_id)
    and coalesce((p ->> ''effective_at'')::timestamptz, n.effective_at) = n.effective_at
    and p -> ''lines'' = (
        select jsonb_agg(jsonb_build_object(''debit'', d.name, ''credit'', c.name, ''amount'', l.amount) order by l.line)
        from posting l join account d on d.id = l.debit join account c on c.id = l.credit where l.journal_id = n.id)', '(key_word(n.key) like ''PAYOUT@_%'' escape ''@'' or key_word(n.key) in (select word from key_space))') -- always
journal: CREATE CONSTRAINT TRIGGER two_people_journal_reverse AFTER INSERT ON public.journal DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (((new.reverses IS NOT NULL) AND ((new.actor ~~ 'person:%'::text) OR (new.actor ~~ 'key:%'::text)))) EXECUTE FUNCTION two_people('journal', 'reverse', 'n.reverses::text', '
    (p ->> ''line'')::integer is not distinct from n.reverses_line
    and coalesce((p ->> ''effectiveAt'')::timestamptz, n.effective_at) = n.effective_at', '(n.actor like ''key:%'' and exists (
        select from journal o where o.id = n.reverses and (o.actor like ''key:%'' or o.actor like ''person:%'')))') -- always
journal_import: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.journal_import FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
journal_import: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.journal_import FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
journal_import: CREATE TRIGGER is_sealed AFTER INSERT ON public.journal_import REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_journal_import() -- always
journal_import_step: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.journal_import_step FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
journal_import_step: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.journal_import_step FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
journal_import_step: CREATE TRIGGER is_sealed AFTER INSERT ON public.journal_import_step REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_journal_import_step() -- always
journal_key_moved: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.journal_key_moved FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
journal_key_moved: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.journal_key_moved FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
journal_key_moved: CREATE TRIGGER is_sealed AFTER INSERT ON public.journal_key_moved REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_journal_key_moved() -- always
late_posting: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.late_posting FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
late_posting: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.late_posting FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
late_posting: CREATE TRIGGER is_sealed AFTER INSERT ON public.late_posting REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_late_posting() -- always
late_posting: CREATE TRIGGER late_postings_were_marked AFTER INSERT ON public.late_posting REFERENCING NEW TABLE AS new_late FOR EACH STATEMENT EXECUTE FUNCTION late_postings_were_marked() -- always
log_boundary: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.log_boundary FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
log_boundary: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.log_boundary FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
log_checkpoint: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.log_checkpoint FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
log_checkpoint: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.log_checkpoint FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
log_checkpoint: CREATE TRIGGER log_key_has_ended AFTER INSERT ON public.log_checkpoint FOR EACH ROW EXECUTE FUNCTION log_key_has_ended() -- always
log_checkpoint: CREATE TRIGGER log_key_signs_twice AFTER INSERT ON public.log_checkpoint FOR EACH ROW EXECUTE FUNCTION log_key_signs_twice() -- always
log_entry: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.log_entry FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
log_entry: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.log_entry FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
log_entry: CREATE TRIGGER log_has_no_gap AFTER INSERT ON public.log_entry REFERENCING NEW TABLE AS new_entry FOR EACH STATEMENT EXECUTE FUNCTION log_has_no_gap() -- always
log_key: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE OF id, public_key, made_at ON public.log_key FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
log_key: CREATE TRIGGER is_encrypted BEFORE INSERT ON public.log_key FOR EACH ROW WHEN (((new.envelope IS NULL) OR (new.seed IS NOT NULL))) EXECUTE FUNCTION refuse_clear()
log_key: CREATE TRIGGER is_encrypted_anew BEFORE UPDATE OF envelope, seed ON public.log_key FOR EACH ROW WHEN (((new.envelope IS NULL) OR (new.seed IS NOT NULL))) EXECUTE FUNCTION refuse_clear()
log_key: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.log_key FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
log_key: CREATE CONSTRAINT TRIGGER log_key_is_agreed_on AFTER INSERT ON public.log_key DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION log_key_is_agreed_on() -- always
log_key_change: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.log_key_change FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
log_key_change: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.log_key_change FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
log_key_change: CREATE CONSTRAINT TRIGGER two_people_log_key_change AFTER INSERT ON public.log_key_change DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (true) EXECUTE FUNCTION two_people('log_key', 'change', 'n.before_id', 'p ->> ''cause'' = n.cause', 'false') -- always
log_key_quantum: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.log_key_quantum FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
log_key_quantum: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.log_key_quantum FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
log_origin: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.log_origin FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
log_origin: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.log_origin FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
log_subtree: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.log_subtree FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
log_subtree: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.log_subtree FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
login_attempt: CREATE TRIGGER login_attempt_once_finished_at BEFORE UPDATE OF finished_at ON public.login_attempt FOR EACH ROW WHEN (((old.finished_at IS NOT NULL) AND (new.finished_at IS DISTINCT FROM old.finished_at))) EXECUTE FUNCTION refuse_another_value('finished_at')
login_subject: CREATE TRIGGER login_subject_once_ended_at BEFORE UPDATE OF ended_at ON public.login_subject FOR EACH ROW WHEN (((old.ended_at IS NOT NULL) AND (new.ended_at IS DISTINCT FROM old.ended_at))) EXECUTE FUNCTION refuse_another_value('ended_at')
login_subject: CREATE CONSTRAINT TRIGGER two_people_principal_link AFTER INSERT ON public.login_subject DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (true) EXECUTE FUNCTION two_people('principal', 'link', 'n.principal_id', '
    p ->> ''issuer'' = n.issuer and p ->> ''subject'' = n.subject', 'false') -- always
minute_sample: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.minute_sample FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
minute_sample: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.minute_sample FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
notice: CREATE TRIGGER notice_follows_table BEFORE UPDATE OF state ON public.notice FOR EACH ROW EXECUTE FUNCTION state_follows_table('notice')
notice_attempt: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.notice_attempt FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
notice_attempt: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.notice_attempt FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
open_hold: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.open_hold FOR EACH STATEMENT EXECUTE FUNCTION refuse_direct_update() -- always
open_hold: CREATE TRIGGER open_hold_moves_by_triggers BEFORE INSERT OR DELETE OR UPDATE ON public.open_hold FOR EACH STATEMENT WHEN ((pg_trigger_depth() = 0)) EXECUTE FUNCTION refuse_direct_update() -- always
overpayment: CREATE TRIGGER is_sealed AFTER INSERT ON public.overpayment REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_overpayment() -- always
overpayment: CREATE TRIGGER overpayment_follows_table BEFORE UPDATE OF state ON public.overpayment FOR EACH ROW EXECUTE FUNCTION state_follows_table('overpayment')
overpayment_repayment: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.overpayment_repayment FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
overpayment_repayment: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.overpayment_repayment FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
overpayment_repayment: CREATE TRIGGER is_sealed AFTER INSERT ON public.overpayment_repayment REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_overpayment_repayment() -- always
overpayment_repayment: CREATE TRIGGER overpayment_is_repaid_whole BEFORE INSERT ON public.overpayment_repayment FOR EACH ROW EXECUTE FUNCTION overpayment_is_repaid_whole() -- always
overpayment_repayment: CREATE TRIGGER reference_pays_once BEFORE INSERT ON public.overpayment_repayment FOR EACH ROW EXECUTE FUNCTION reference_pays_once() -- always
payment: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.payment FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
payment: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.payment FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
payment: CREATE TRIGGER is_sealed AFTER INSERT ON public.payment REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_payment() -- always
payment_file: CREATE TRIGGER is_encrypted BEFORE INSERT ON public.payment_file FOR EACH ROW WHEN (((new.envelope IS NULL) OR (new.body IS NOT NULL))) EXECUTE FUNCTION refuse_clear()
payment_file: CREATE TRIGGER is_encrypted_anew BEFORE UPDATE OF envelope, body ON public.payment_file FOR EACH ROW WHEN (((new.envelope IS NULL) OR (new.body IS NOT NULL))) EXECUTE FUNCTION refuse_clear()
payment_file: CREATE TRIGGER payment_file_follows_table BEFORE UPDATE OF state ON public.payment_file FOR EACH ROW EXECUTE FUNCTION state_follows_table('payment_file')
payment_file: CREATE TRIGGER payment_file_is_fixed BEFORE UPDATE ON public.payment_file FOR EACH ROW EXECUTE FUNCTION payment_file_is_fixed() -- always
payment_file_order: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.payment_file_order FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
payment_file_order: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.payment_file_order FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
payout: CREATE TRIGGER is_sealed AFTER INSERT ON public.payout REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_payout() -- always
payout: CREATE TRIGGER payout_follows_table BEFORE UPDATE OF state ON public.payout FOR EACH ROW EXECUTE FUNCTION state_follows_table('payout')
payout_approval: CREATE TRIGGER a_batch_pays_its_lines BEFORE INSERT ON public.payout_approval FOR EACH ROW WHEN ((new.basis = 'batch'::text)) EXECUTE FUNCTION a_batch_pays_its_lines()
payout_approval: CREATE TRIGGER an_attempt_is_allowed_by_what_counts BEFORE INSERT ON public.payout_approval FOR EACH ROW EXECUTE FUNCTION an_attempt_is_allowed_by_what_counts()
payout_approval: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.payout_approval FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
payout_approval: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.payout_approval FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
payout_batch: CREATE TRIGGER payout_batch_follows_table BEFORE UPDATE OF state ON public.payout_batch FOR EACH ROW EXECUTE FUNCTION state_follows_table('payout_batch')
payout_batch: CREATE TRIGGER payout_batch_is_approved_rightly BEFORE UPDATE OF state ON public.payout_batch FOR EACH ROW WHEN (((new.state <> old.state) AND (new.state = ANY (ARRAY['approved'::text, 'executing'::text])))) EXECUTE FUNCTION payout_batch_is_approved_rightly()
payout_batch_approval: CREATE TRIGGER a_fresh_factor_approves BEFORE INSERT ON public.payout_batch_approval FOR EACH ROW EXECUTE FUNCTION a_fresh_factor_approves()
payout_batch_approval: CREATE TRIGGER a_person_approves_the_batch BEFORE INSERT ON public.payout_batch_approval FOR EACH ROW EXECUTE FUNCTION a_person_approves_the_batch()
payout_batch_approval: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.payout_batch_approval FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
payout_batch_approval: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.payout_batch_approval FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
payout_batch_line: CREATE TRIGGER payout_batch_line_once_left_at BEFORE UPDATE OF left_at ON public.payout_batch_line FOR EACH ROW WHEN (((old.left_at IS NOT NULL) AND (new.left_at IS DISTINCT FROM old.left_at))) EXECUTE FUNCTION refuse_another_value('left_at')
payout_batch_line: CREATE TRIGGER payout_batch_line_once_left_why BEFORE UPDATE OF left_why ON public.payout_batch_line FOR EACH ROW WHEN (((old.left_why IS NOT NULL) AND (new.left_why IS DISTINCT FROM old.left_why))) EXECUTE FUNCTION refuse_another_value('left_why')
payout_batch_line: CREATE TRIGGER payout_batch_line_once_paid_at BEFORE UPDATE OF paid_at ON public.payout_batch_line FOR EACH ROW WHEN (((old.paid_at IS NOT NULL) AND (new.paid_at IS DISTINCT FROM old.paid_at))) EXECUTE FUNCTION refuse_another_value('paid_at')
payout_batch_line: CREATE TRIGGER payout_batch_line_once_removed_at BEFORE UPDATE OF removed_at ON public.payout_batch_line FOR EACH ROW WHEN (((old.removed_at IS NOT NULL) AND (new.removed_at IS DISTINCT FROM old.removed_at))) EXECUTE FUNCTION refuse_another_value('removed_at')
payout_batch_line: CREATE TRIGGER payout_batch_lines_are_frozen BEFORE INSERT ON public.payout_batch_line FOR EACH ROW EXECUTE FUNCTION payout_batch_lines_are_frozen()
payout_batch_line: CREATE TRIGGER payout_batch_lines_stay BEFORE UPDATE OF removed_at ON public.payout_batch_line FOR EACH ROW WHEN ((new.removed_at IS DISTINCT FROM old.removed_at)) EXECUTE FUNCTION payout_batch_lines_are_frozen()
payout_batch_maker: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.payout_batch_maker FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
payout_batch_maker: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.payout_batch_maker FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
payout_evidence: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.payout_evidence FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
payout_evidence: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.payout_evidence FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
payout_evidence: CREATE TRIGGER is_sealed AFTER INSERT ON public.payout_evidence REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_payout_evidence() -- always
payout_netting: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.payout_netting FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
payout_netting: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.payout_netting FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
payout_netting: CREATE TRIGGER is_sealed AFTER INSERT ON public.payout_netting REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_payout_netting() -- always
payout_policy: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.payout_policy FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
payout_policy: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.payout_policy FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
payout_policy: CREATE CONSTRAINT TRIGGER two_people_payout_policy_set AFTER INSERT ON public.payout_policy DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (true) EXECUTE FUNCTION two_people('payout_policy', 'set', 'n.program_id || '':'' || n.asset', '
    p ->> ''byRuleMax'' = n.by_rule_max::text and (p ->> ''coolingHours'')::integer = n.cooling_hours
    and p -> ''tiers'' = (select coalesce(jsonb_agg(jsonb_build_object(''above'', above::text, ''approvers'', approvers) order by place), ''[]'')
                        from unnest(n.tiers_above, n.tiers_approvers) with ordinality as tier (above, approvers, place))', 'false') -- always
period_close: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.period_close FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
period_close: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.period_close FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
period_close: CREATE TRIGGER is_sealed AFTER INSERT ON public.period_close REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_period_close() -- always
period_close: CREATE TRIGGER note_transaction BEFORE INSERT ON public.period_close FOR EACH ROW EXECUTE FUNCTION note_transaction() -- always
period_close: CREATE TRIGGER period_reopens_as_approved BEFORE INSERT ON public.period_close FOR EACH ROW WHEN ((new.verb = 'reopen'::text)) EXECUTE FUNCTION period_reopens_as_approved() -- always
period_close: CREATE TRIGGER period_was_closed BEFORE INSERT ON public.period_close FOR EACH ROW EXECUTE FUNCTION period_was_closed() -- always
period_close: CREATE CONSTRAINT TRIGGER two_people_period_reopen AFTER INSERT ON public.period_close DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN ((new.verb = 'reopen'::text)) EXECUTE FUNCTION two_people('period', 'reopen', 'n.program_id', 'u.proposal_id = n.approval_id and (p ->> ''until'')::timestamptz = n.closed_until', 'false') -- always
period_keys: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.period_keys FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
period_keys: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.period_keys FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
period_keys: CREATE TRIGGER is_sealed AFTER INSERT ON public.period_keys REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_period_keys() -- always
personal_data_policy: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.personal_data_policy FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
personal_data_policy: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.personal_data_policy FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
personal_data_policy: CREATE TRIGGER is_sealed AFTER INSERT ON public.personal_data_policy REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_personal_data_policy() -- always
posting: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.posting FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
posting: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.posting FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
posting: CREATE TRIGGER postings_were_inserted AFTER INSERT ON public.posting REFERENCING NEW TABLE AS new_posting FOR EACH STATEMENT EXECUTE FUNCTION postings_were_inserted() -- always
principal: CREATE TRIGGER an_administrator_stays AFTER UPDATE OF disabled_at ON public.principal FOR EACH ROW WHEN (((new.disabled_at IS NOT NULL) AND (old.disabled_at IS NULL))) EXECUTE FUNCTION an_administrator_stays()
principal: CREATE TRIGGER is_sealed AFTER INSERT ON public.principal REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_principal() -- always
principal: CREATE TRIGGER principal_once_disabled_at BEFORE UPDATE OF disabled_at ON public.principal FOR EACH ROW WHEN (((old.disabled_at IS NOT NULL) AND (new.disabled_at IS DISTINCT FROM old.disabled_at))) EXECUTE FUNCTION refuse_another_value('disabled_at')
principal: CREATE TRIGGER principal_stays_itself BEFORE UPDATE ON public.principal FOR EACH ROW EXECUTE FUNCTION principal_stays_itself()
program: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.program FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
program: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.program FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
program: CREATE TRIGGER is_sealed AFTER INSERT ON public.program REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_program() -- always
program: CREATE TRIGGER program_was_opened AFTER INSERT ON public.program FOR EACH ROW EXECUTE FUNCTION program_was_opened() -- always
program_segment: CREATE TRIGGER is_append_only BEFORE DELETE ON public.program_segment FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
program_segment: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.program_segment FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
program_segment: CREATE TRIGGER segment_moves_on BEFORE INSERT OR UPDATE ON public.program_segment FOR EACH ROW EXECUTE FUNCTION segment_moves_on() -- always
proof: CREATE TRIGGER is_sealed AFTER INSERT ON public.proof REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_proof() -- always
proof: CREATE TRIGGER proof_follows_table BEFORE UPDATE OF state ON public.proof FOR EACH ROW EXECUTE FUNCTION state_follows_table('proof')
proof_export: CREATE TRIGGER proof_export_follows_table BEFORE UPDATE OF state ON public.proof_export FOR EACH ROW EXECUTE FUNCTION state_follows_table('proof_export')
proof_file: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.proof_file FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
proof_file: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.proof_file FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
proof_file: CREATE TRIGGER is_sealed AFTER INSERT ON public.proof_file REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_proof_file() -- always
proof_request: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.proof_request FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
proof_request: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.proof_request FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
proof_request: CREATE TRIGGER is_sealed AFTER INSERT ON public.proof_request REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_proof_request() -- always
proof_signature: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.proof_signature FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
proof_signature: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.proof_signature FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
proof_signature: CREATE TRIGGER is_sealed AFTER INSERT ON public.proof_signature REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_proof_signature() -- always
provider_conflict: CREATE TRIGGER conflict_is_not_truncated BEFORE TRUNCATE ON public.provider_conflict FOR EACH STATEMENT EXECUTE FUNCTION conflict_keeps_its_word() -- always
provider_conflict: CREATE TRIGGER conflict_keeps_its_word BEFORE DELETE OR UPDATE ON public.provider_conflict FOR EACH ROW EXECUTE FUNCTION conflict_keeps_its_word() -- always
provider_conflict: CREATE TRIGGER is_sealed AFTER INSERT ON public.provider_conflict REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_provider_conflict() -- always
provider_conflict: CREATE TRIGGER provider_conflict_follows_table BEFORE UPDATE OF state ON public.provider_conflict FOR EACH ROW EXECUTE FUNCTION state_follows_table('provider_conflict')
provider_payout: CREATE TRIGGER given_on_a_chain BEFORE UPDATE OF state ON public.provider_payout FOR EACH ROW EXECUTE FUNCTION given_on_a_chain() -- always
provider_payout: CREATE TRIGGER goes_somewhere BEFORE INSERT ON public.provider_payout FOR EACH ROW WHEN (((new.destination_id IS NULL) OR (new.destination IS NOT NULL))) EXECUTE FUNCTION refuse_nowhere()
provider_payout: CREATE TRIGGER is_sealed AFTER INSERT ON public.provider_payout REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_provider_payout() -- always
provider_payout: CREATE TRIGGER provider_payout_follows_table BEFORE UPDATE OF state ON public.provider_payout FOR EACH ROW EXECUTE FUNCTION state_follows_table('provider_payout')
provider_payout: CREATE TRIGGER provider_payout_once_beyond BEFORE UPDATE OF beyond ON public.provider_payout FOR EACH ROW WHEN (((old.beyond <> 0) AND (new.beyond <> old.beyond))) EXECUTE FUNCTION refuse_another_value('beyond')
provider_payout: CREATE TRIGGER provider_payout_once_paid BEFORE UPDATE OF paid ON public.provider_payout FOR EACH ROW WHEN (((old.paid IS NOT NULL) AND (new.paid IS DISTINCT FROM old.paid))) EXECUTE FUNCTION refuse_another_value('paid')
provider_payout: CREATE TRIGGER provider_payout_once_provider_ref BEFORE UPDATE OF provider_ref ON public.provider_payout FOR EACH ROW WHEN (((old.provider_ref IS NOT NULL) AND (new.provider_ref IS DISTINCT FROM old.provider_ref))) EXECUTE FUNCTION refuse_another_value('provider_ref')
provider_payout: CREATE TRIGGER second_attempt_is_refused BEFORE INSERT ON public.provider_payout FOR EACH ROW EXECUTE FUNCTION refuse_second_attempt() -- always
queue_drain: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.queue_drain FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
queue_drain: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.queue_drain FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
queue_pause: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.queue_pause FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
queue_pause: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.queue_pause FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
queue_pause: CREATE TRIGGER is_sealed AFTER INSERT ON public.queue_pause REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_queue_pause() -- always
queue_pause: CREATE CONSTRAINT TRIGGER two_people_queue_resume AFTER INSERT ON public.queue_pause DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN ((NOT new.paused)) EXECUTE FUNCTION two_people('queue', 'resume', 'n.queue', '
    p ->> ''queue'' = n.queue and p ->> ''provider'' = n.provider and p ->> ''program_id'' = n.program_id
    and (p ->> ''pause'')::bigint = (
        select max(q.number) from queue_pause q
        where (q.queue, q.provider, q.program_id) = (n.queue, n.provider, n.program_id) and q.number < n.number)
    and n.reason = a.reason
    and exists (select from approval_decision d where d.proposal_id = a.id and d.decision = ''approved'' and d.checker = n.actor)', 'not exists (select from money_queue m where m.queue = n.queue)
      and not exists (
          select from (select q.actor from queue_pause q
                       where (q.queue, q.provider, q.program_id) = (n.queue, n.provider, n.program_id) and q.number < n.number
                       order by q.number desc limit 1) before
          where before.actor like ''system:%'')') -- always
receivable_write_off: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.receivable_write_off FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
receivable_write_off: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.receivable_write_off FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
receivable_write_off: CREATE TRIGGER is_sealed AFTER INSERT ON public.receivable_write_off REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_receivable_write_off() -- always
receivable_write_off: CREATE CONSTRAINT TRIGGER two_people_receivable_write_off AFTER INSERT ON public.receivable_write_off DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (true) EXECUTE FUNCTION two_people('receivable', 'write_off', 'n.program_id || '':'' || n.payee_id || '':'' || n.asset', 'p ->> ''amount'' = n.amount::text', 'false') -- always
reconciliation_gap: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.reconciliation_gap FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
reconciliation_gap: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.reconciliation_gap FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
reconciliation_gap: CREATE TRIGGER is_sealed AFTER INSERT ON public.reconciliation_gap REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_reconciliation_gap() -- always
reconciliation_run: CREATE TRIGGER reconciliation_run_once_breaks BEFORE UPDATE OF breaks ON public.reconciliation_run FOR EACH ROW WHEN (((old.breaks IS NOT NULL) AND (new.breaks IS DISTINCT FROM old.breaks))) EXECUTE FUNCTION refuse_another_value('breaks')
reconciliation_run: CREATE TRIGGER reconciliation_run_once_error BEFORE UPDATE OF error ON public.reconciliation_run FOR EACH ROW WHEN (((old.error IS NOT NULL) AND (new.error IS DISTINCT FROM old.error))) EXECUTE FUNCTION refuse_another_value('error')
reconciliation_run: CREATE TRIGGER reconciliation_run_once_expected BEFORE UPDATE OF expected ON public.reconciliation_run FOR EACH ROW WHEN (((old.expected IS NOT NULL) AND (new.expected IS DISTINCT FROM old.expected))) EXECUTE FUNCTION refuse_another_value('expected')
reconciliation_run: CREATE TRIGGER reconciliation_run_once_finished_at BEFORE UPDATE OF finished_at ON public.reconciliation_run FOR EACH ROW WHEN (((old.finished_at IS NOT NULL) AND (new.finished_at IS DISTINCT FROM old.finished_at))) EXECUTE FUNCTION refuse_another_value('finished_at')
reconciliation_run: CREATE TRIGGER reconciliation_run_once_inputs_sha256 BEFORE UPDATE OF inputs_sha256 ON public.reconciliation_run FOR EACH ROW WHEN (((old.inputs_sha256 IS NOT NULL) AND (new.inputs_sha256 IS DISTINCT FROM old.inputs_sha256))) EXECUTE FUNCTION refuse_another_value('inputs_sha256')
reconciliation_run: CREATE TRIGGER reconciliation_run_once_matched BEFORE UPDATE OF matched ON public.reconciliation_run FOR EACH ROW WHEN (((old.matched IS NOT NULL) AND (new.matched IS DISTINCT FROM old.matched))) EXECUTE FUNCTION refuse_another_value('matched')
reconciliation_run: CREATE TRIGGER reconciliation_run_once_report BEFORE UPDATE OF report ON public.reconciliation_run FOR EACH ROW WHEN (((old.report IS NOT NULL) AND (new.report IS DISTINCT FROM old.report))) EXECUTE FUNCTION refuse_another_value('report')
reconciliation_run: CREATE TRIGGER reconciliation_run_once_result_sha256 BEFORE UPDATE OF result_sha256 ON public.reconciliation_run FOR EACH ROW WHEN (((old.result_sha256 IS NOT NULL) AND (new.result_sha256 IS DISTINCT FROM old.result_sha256))) EXECUTE FUNCTION refuse_another_value('result_sha256')
reconciliation_run: CREATE TRIGGER reconciliation_run_once_rules_sha256 BEFORE UPDATE OF rules_sha256 ON public.reconciliation_run FOR EACH ROW WHEN (((old.rules_sha256 IS NOT NULL) AND (new.rules_sha256 IS DISTINCT FROM old.rules_sha256))) EXECUTE FUNCTION refuse_another_value('rules_sha256')
reconciliation_run: CREATE TRIGGER reconciliation_run_once_statement_sha256 BEFORE UPDATE OF statement_sha256 ON public.reconciliation_run FOR EACH ROW WHEN (((old.statement_sha256 IS NOT NULL) AND (new.statement_sha256 IS DISTINCT FROM old.statement_sha256))) EXECUTE FUNCTION refuse_another_value('statement_sha256')
reconciliation_run: CREATE TRIGGER reconciliation_run_once_verdict BEFORE UPDATE OF verdict ON public.reconciliation_run FOR EACH ROW WHEN (((old.verdict IS NOT NULL) AND (new.verdict IS DISTINCT FROM old.verdict))) EXECUTE FUNCTION refuse_another_value('verdict')
reconciliation_slot: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.reconciliation_slot FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
reconciliation_slot: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.reconciliation_slot FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
reconciliation_slot: CREATE TRIGGER is_sealed AFTER INSERT ON public.reconciliation_slot REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_reconciliation_slot() -- always
recovery_code: CREATE TRIGGER recovery_code_once_used_at BEFORE UPDATE OF used_at ON public.recovery_code FOR EACH ROW WHEN (((old.used_at IS NOT NULL) AND (new.used_at IS DISTINCT FROM old.used_at))) EXECUTE FUNCTION refuse_another_value('used_at')
referral: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.referral FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
referral: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.referral FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
referral: CREATE TRIGGER is_sealed AFTER INSERT ON public.referral REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_referral() -- always
referral: CREATE TRIGGER nobody_refers_himself BEFORE INSERT ON public.referral FOR EACH ROW EXECUTE FUNCTION nobody_refers_himself()
refund: CREATE TRIGGER is_sealed AFTER INSERT ON public.refund REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_refund() -- always
refund: CREATE TRIGGER refund_follows_table BEFORE UPDATE OF state ON public.refund FOR EACH ROW EXECUTE FUNCTION state_follows_table('refund')
refund_execution: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.refund_execution FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
refund_execution: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.refund_execution FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
refund_execution: CREATE TRIGGER is_sealed AFTER INSERT ON public.refund_execution REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_refund_execution() -- always
refund_execution: CREATE TRIGGER reference_pays_once BEFORE INSERT ON public.refund_execution FOR EACH ROW EXECUTE FUNCTION reference_pays_once() -- always
reversal: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.reversal FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
reversal: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.reversal FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
reversal: CREATE TRIGGER reversal_moves_by_triggers BEFORE INSERT ON public.reversal FOR EACH STATEMENT WHEN ((pg_trigger_depth() = 0)) EXECUTE FUNCTION refuse_direct_update() -- always
role_grant: CREATE TRIGGER an_administrator_stays AFTER UPDATE OF revoked_at ON public.role_grant FOR EACH ROW WHEN (((old.role = 'administrator'::text) AND (new.revoked_at IS NOT NULL) AND (old.revoked_at IS NULL))) EXECUTE FUNCTION an_administrator_stays()
role_grant: CREATE TRIGGER is_sealed AFTER INSERT ON public.role_grant REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_role_grant() -- always
role_grant: CREATE TRIGGER note_transaction BEFORE INSERT ON public.role_grant FOR EACH ROW EXECUTE FUNCTION note_transaction() -- always
role_grant: CREATE TRIGGER role_grant_once_revoked_at BEFORE UPDATE OF revoked_at ON public.role_grant FOR EACH ROW WHEN (((old.revoked_at IS NOT NULL) AND (new.revoked_at IS DISTINCT FROM old.revoked_at))) EXECUTE FUNCTION refuse_another_value('revoked_at')
role_grant: CREATE TRIGGER role_grant_once_revoked_by BEFORE UPDATE OF revoked_by ON public.role_grant FOR EACH ROW WHEN (((old.revoked_by IS NOT NULL) AND (new.revoked_by IS DISTINCT FROM old.revoked_by))) EXECUTE FUNCTION refuse_another_value('revoked_by')
role_grant: CREATE TRIGGER roles_do_not_conflict BEFORE INSERT ON public.role_grant FOR EACH ROW EXECUTE FUNCTION roles_do_not_conflict()
role_grant: CREATE CONSTRAINT TRIGGER two_people_principal_grant AFTER INSERT ON public.role_grant DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (true) EXECUTE FUNCTION two_people('principal', 'grant', 'n.principal_id', '
    p ->> ''role'' = n.role and p ->> ''programId'' is not distinct from n.program_id and (a.program_id is null or a.program_id = n.program_id)', '
    (n.role = ''administrator'' and n.program_id is null and exists (
        select from second_administrator s
        where s.grant_id = n.id and s.principal_id = n.principal_id and s.begun_at = n.granted_at
          and s.written_at + interval ''72 hours'' <= clock_timestamp()))') -- always
run_finding: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.run_finding FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
run_finding: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.run_finding FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
run_finding: CREATE TRIGGER is_sealed AFTER INSERT ON public.run_finding REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_run_finding() -- always
runbook_answer: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.runbook_answer FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
runbook_answer: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.runbook_answer FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
runbook_answer: CREATE TRIGGER is_sealed AFTER INSERT ON public.runbook_answer REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_runbook_answer() -- always
runbook_answer: CREATE TRIGGER runbook_answer_belongs BEFORE INSERT ON public.runbook_answer FOR EACH ROW EXECUTE FUNCTION runbook_answer_belongs()
runbook_answer: CREATE TRIGGER runbook_answer_does_not_apply BEFORE INSERT ON public.runbook_answer FOR EACH ROW WHEN ((new.outcome = 'does_not_apply'::text)) EXECUTE FUNCTION runbook_answer_does_not_apply()
runbook_run: CREATE TRIGGER runbook_run_follows_table BEFORE UPDATE OF state ON public.runbook_run FOR EACH ROW EXECUTE FUNCTION state_follows_table('runbook_run')
runbook_run: CREATE TRIGGER runbook_run_is_signed_when_it_passed BEFORE UPDATE OF state ON public.runbook_run FOR EACH ROW EXECUTE FUNCTION runbook_run_is_signed_when_it_passed()
schedule_end: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.schedule_end FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
schedule_end: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.schedule_end FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
seal: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.seal FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
seal: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.seal FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
sealed_relation: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.sealed_relation FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
sealed_relation: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.sealed_relation FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
second_administrator: CREATE TRIGGER note_moment BEFORE INSERT ON public.second_administrator FOR EACH ROW EXECUTE FUNCTION note_moment() -- always
second_administrator: CREATE TRIGGER second_administrator_once_begun_at BEFORE UPDATE OF begun_at ON public.second_administrator FOR EACH ROW WHEN (((old.begun_at IS NOT NULL) AND (new.begun_at IS DISTINCT FROM old.begun_at))) EXECUTE FUNCTION refuse_another_value('begun_at')
second_administrator: CREATE TRIGGER second_administrator_once_grant_id BEFORE UPDATE OF grant_id ON public.second_administrator FOR EACH ROW WHEN (((old.grant_id IS NOT NULL) AND (new.grant_id IS DISTINCT FROM old.grant_id))) EXECUTE FUNCTION refuse_another_value('grant_id')
second_administrator: CREATE TRIGGER second_administrator_once_stop_reason BEFORE UPDATE OF stop_reason ON public.second_administrator FOR EACH ROW WHEN (((old.stop_reason IS NOT NULL) AND (new.stop_reason IS DISTINCT FROM old.stop_reason))) EXECUTE FUNCTION refuse_another_value('stop_reason')
second_administrator: CREATE TRIGGER second_administrator_once_stopped_at BEFORE UPDATE OF stopped_at ON public.second_administrator FOR EACH ROW WHEN (((old.stopped_at IS NOT NULL) AND (new.stopped_at IS DISTINCT FROM old.stopped_at))) EXECUTE FUNCTION refuse_another_value('stopped_at')
second_administrator: CREATE TRIGGER second_administrator_once_stopped_by BEFORE UPDATE OF stopped_by ON public.second_administrator FOR EACH ROW WHEN (((old.stopped_by IS NOT NULL) AND (new.stopped_by IS DISTINCT FROM old.stopped_by))) EXECUTE FUNCTION refuse_another_value('stopped_by')
second_factor: CREATE TRIGGER a_code_is_used_once BEFORE UPDATE OF used_step ON public.second_factor FOR EACH ROW WHEN ((new.used_step <= old.used_step)) EXECUTE FUNCTION a_code_is_used_once()
second_factor: CREATE TRIGGER is_encrypted BEFORE INSERT ON public.second_factor FOR EACH ROW WHEN (((new.envelope IS NULL) OR (new.secret IS NOT NULL))) EXECUTE FUNCTION refuse_clear()
second_factor: CREATE TRIGGER is_encrypted_anew BEFORE UPDATE OF envelope, secret ON public.second_factor FOR EACH ROW WHEN (((new.envelope IS NULL) OR (new.secret IS NOT NULL))) EXECUTE FUNCTION refuse_clear()
second_factor: CREATE TRIGGER second_factor_once_confirmed_at BEFORE UPDATE OF confirmed_at ON public.second_factor FOR EACH ROW WHEN (((old.confirmed_at IS NOT NULL) AND (new.confirmed_at IS DISTINCT FROM old.confirmed_at))) EXECUTE FUNCTION refuse_another_value('confirmed_at')
second_factor: CREATE TRIGGER second_factor_once_ended_at BEFORE UPDATE OF ended_at ON public.second_factor FOR EACH ROW WHEN (((old.ended_at IS NOT NULL) AND (new.ended_at IS DISTINCT FROM old.ended_at))) EXECUTE FUNCTION refuse_another_value('ended_at')
sentinel_check: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.sentinel_check FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
sentinel_check: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.sentinel_check FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
sentinel_check: CREATE TRIGGER is_sealed AFTER INSERT ON public.sentinel_check REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_sentinel_check() -- always
sentinel_run: CREATE TRIGGER sentinel_run_follows_table BEFORE UPDATE OF state ON public.sentinel_run FOR EACH ROW EXECUTE FUNCTION state_follows_table('sentinel_run')
session: CREATE TRIGGER a_login_only_gets_shorter BEFORE UPDATE ON public.session FOR EACH ROW WHEN ((new.expires_at > old.expires_at)) EXECUTE FUNCTION a_login_only_gets_shorter()
settlement: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.settlement FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
settlement: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.settlement FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
settlement: CREATE TRIGGER is_sealed AFTER INSERT ON public.settlement REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_settlement() -- always
signer: CREATE TRIGGER is_sealed AFTER INSERT ON public.signer REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_signer() -- always
signer: CREATE TRIGGER signer_once_revoke_reason BEFORE UPDATE OF revoke_reason ON public.signer FOR EACH ROW WHEN (((old.revoke_reason IS NOT NULL) AND (new.revoke_reason IS DISTINCT FROM old.revoke_reason))) EXECUTE FUNCTION refuse_another_value('revoke_reason')
signer: CREATE TRIGGER signer_once_revoked_at BEFORE UPDATE OF revoked_at ON public.signer FOR EACH ROW WHEN (((old.revoked_at IS NOT NULL) AND (new.revoked_at IS DISTINCT FROM old.revoked_at))) EXECUTE FUNCTION refuse_another_value('revoked_at')
signer: CREATE TRIGGER signer_once_revoked_by BEFORE UPDATE OF revoked_by ON public.signer FOR EACH ROW WHEN (((old.revoked_by IS NOT NULL) AND (new.revoked_by IS DISTINCT FROM old.revoked_by))) EXECUTE FUNCTION refuse_another_value('revoked_by')
signer: CREATE CONSTRAINT TRIGGER two_people_signer_add AFTER INSERT ON public.signer DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (true) EXECUTE FUNCTION two_people('signer', 'add', 'n.principal_id', '
    p ->> ''publicKey'' = encode(n.public_key, ''hex'') and p ->> ''role'' = n.role and (p ->> ''validUntil'')::timestamptz = n.valid_until', 'false') -- always
silence: CREATE TRIGGER silence_follows_table BEFORE UPDATE OF state ON public.silence FOR EACH ROW EXECUTE FUNCTION state_follows_table('silence')
step: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.step FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
step: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.step FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
step: CREATE TRIGGER is_sealed AFTER INSERT ON public.step REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_step() -- always
step: CREATE TRIGGER paired_steps_are_approved AFTER INSERT ON public.step REFERENCING NEW TABLE AS new_step FOR EACH STATEMENT EXECUTE FUNCTION paired_steps_are_approved()
store_copy: CREATE TRIGGER copy_follows_table BEFORE UPDATE OF state ON public.store_copy FOR EACH ROW EXECUTE FUNCTION state_follows_table('copy')
treasury_movement: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.treasury_movement FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
treasury_movement: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.treasury_movement FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
treasury_movement: CREATE TRIGGER is_sealed AFTER INSERT ON public.treasury_movement REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_treasury_movement() -- always
treasury_movement: CREATE CONSTRAINT TRIGGER two_people_treasury_withdraw AFTER INSERT ON public.treasury_movement DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN ((new.kind = 'withdrawal'::text)) EXECUTE FUNCTION two_people('treasury', 'withdraw', 'n.program_id || '':'' || n.asset', '
    p ->> ''amount'' = n.amount::text and p ->> ''reference'' = n.reference', 'false') -- always
treasury_movement: CREATE TRIGGER withdrawn_within_earned BEFORE INSERT ON public.treasury_movement FOR EACH ROW EXECUTE FUNCTION withdrawn_within_earned()
two_phase: CREATE TRIGGER is_sealed AFTER INSERT ON public.two_phase REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_two_phase() -- always
two_phase: CREATE TRIGGER transaction_follows_table BEFORE UPDATE OF state ON public.two_phase FOR EACH ROW EXECUTE FUNCTION state_follows_table('transaction')
two_phase: CREATE TRIGGER two_phase_follows_records AFTER UPDATE ON public.two_phase REFERENCING OLD TABLE AS old_row NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION two_phase_follows_records() -- always
two_phase: CREATE CONSTRAINT TRIGGER two_phase_is_balanced AFTER INSERT ON public.two_phase DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION two_phase_is_balanced() -- always
two_phase_check: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.two_phase_check FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
two_phase_check: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.two_phase_check FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
two_phase_check: CREATE TRIGGER is_sealed AFTER INSERT ON public.two_phase_check REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_two_phase_check() -- always
two_phase_decision: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.two_phase_decision FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
two_phase_decision: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.two_phase_decision FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
two_phase_decision: CREATE TRIGGER is_sealed AFTER INSERT ON public.two_phase_decision REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_two_phase_decision() -- always
two_phase_decision: CREATE CONSTRAINT TRIGGER two_people_transaction_force_commit AFTER INSERT ON public.two_phase_decision DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (((new.cause = 'forced'::text) AND (new.decision = 'commit'::text))) EXECUTE FUNCTION two_people('transaction', 'force_commit', 'n.transaction_id', 'p ->> ''approval'' = n.approval', 'false') -- always
two_phase_decision: CREATE CONSTRAINT TRIGGER two_people_transaction_force_rollback AFTER INSERT ON public.two_phase_decision DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (((new.cause = 'forced'::text) AND (new.decision = 'abort'::text))) EXECUTE FUNCTION two_people('transaction', 'force_rollback', 'n.transaction_id', 'p ->> ''approval'' = n.approval', 'false') -- always
two_phase_decision: CREATE TRIGGER two_phase_decision_fits AFTER INSERT ON public.two_phase_decision REFERENCING NEW TABLE AS new_decision FOR EACH STATEMENT EXECUTE FUNCTION two_phase_decision_fits() -- always
two_phase_outcome: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.two_phase_outcome FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
two_phase_outcome: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.two_phase_outcome FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
two_phase_outcome: CREATE TRIGGER is_sealed AFTER INSERT ON public.two_phase_outcome REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_two_phase_outcome() -- always
two_phase_outcome: CREATE TRIGGER two_phase_outcome_fits AFTER INSERT ON public.two_phase_outcome REFERENCING NEW TABLE AS new_outcome FOR EACH STATEMENT EXECUTE FUNCTION two_phase_outcome_fits() -- always
two_phase_participant: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.two_phase_participant FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
two_phase_participant: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.two_phase_participant FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
two_phase_participant: CREATE TRIGGER is_sealed AFTER INSERT ON public.two_phase_participant REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_two_phase_participant() -- always
two_phase_vote: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.two_phase_vote FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
two_phase_vote: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.two_phase_vote FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
two_phase_vote: CREATE TRIGGER is_sealed AFTER INSERT ON public.two_phase_vote REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_two_phase_vote() -- always
two_phase_vote: CREATE TRIGGER two_phase_vote_fits AFTER INSERT ON public.two_phase_vote REFERENCING NEW TABLE AS new_vote FOR EACH STATEMENT EXECUTE FUNCTION two_phase_vote_fits() -- always
two_phase_vote: CREATE TRIGGER two_phase_vote_is_numbered BEFORE INSERT ON public.two_phase_vote FOR EACH ROW EXECUTE FUNCTION two_phase_vote_is_numbered() -- always
unidentified_payment: CREATE TRIGGER is_sealed AFTER INSERT ON public.unidentified_payment REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_unidentified_payment() -- always
unidentified_payment: CREATE TRIGGER unidentified_payment_follows_table BEFORE UPDATE OF state ON public.unidentified_payment FOR EACH ROW EXECUTE FUNCTION state_follows_table('unidentified_payment')
unidentified_repayment: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.unidentified_repayment FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
unidentified_repayment: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.unidentified_repayment FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
unidentified_repayment: CREATE TRIGGER is_sealed AFTER INSERT ON public.unidentified_repayment REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_unidentified_repayment() -- always
unidentified_repayment: CREATE TRIGGER reference_pays_once BEFORE INSERT ON public.unidentified_repayment FOR EACH ROW EXECUTE FUNCTION reference_pays_once() -- always
unidentified_repayment: CREATE TRIGGER unidentified_payment_is_repaid_whole BEFORE INSERT ON public.unidentified_repayment FOR EACH ROW EXECUTE FUNCTION unidentified_payment_is_repaid_whole() -- always
unposted_line: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.unposted_line FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
unposted_line: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.unposted_line FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
usage_import: CREATE TRIGGER is_sealed AFTER INSERT ON public.usage_import REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_usage_import() -- always
usage_record: CREATE TRIGGER is_sealed AFTER INSERT ON public.usage_record REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_usage_record() -- always
usage_record: CREATE TRIGGER usage_record_once_invoiced BEFORE UPDATE OF invoice_id, line, amount ON public.usage_record FOR EACH ROW WHEN (((old.invoice_id IS NOT NULL) AND (((new.invoice_id IS DISTINCT FROM old.invoice_id) OR (new.line IS DISTINCT FROM old.line)) OR (new.amount IS DISTINCT FROM old.amount)))) EXECUTE FUNCTION refuse_another_value('the invoice')
webhook_attempt: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.webhook_attempt FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
webhook_attempt: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.webhook_attempt FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
webhook_delivery: CREATE TRIGGER delivery_follows_table BEFORE UPDATE OF state ON public.webhook_delivery FOR EACH ROW EXECUTE FUNCTION state_follows_table('delivery')
webhook_endpoint: CREATE TRIGGER endpoint_follows_table BEFORE UPDATE OF state ON public.webhook_endpoint FOR EACH ROW EXECUTE FUNCTION state_follows_table('endpoint')
webhook_in: CREATE TRIGGER is_encrypted BEFORE INSERT ON public.webhook_in FOR EACH ROW WHEN (((new.envelope IS NULL) OR (new.body IS NOT NULL) OR (new.body_sha256 IS NOT NULL))) EXECUTE FUNCTION refuse_clear()
webhook_in: CREATE TRIGGER is_encrypted_anew BEFORE UPDATE OF envelope, body, body_sha256 ON public.webhook_in FOR EACH ROW WHEN (((new.envelope IS NULL) OR (new.body IS NOT NULL) OR (new.body_sha256 IS NOT NULL))) EXECUTE FUNCTION refuse_clear()
webhook_in: CREATE TRIGGER is_sealed AFTER INSERT ON public.webhook_in REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_webhook_in() -- always
webhook_in: CREATE TRIGGER webhook_in_follows_table BEFORE UPDATE OF state ON public.webhook_in FOR EACH ROW EXECUTE FUNCTION state_follows_table('webhook_in')
webhook_secret: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE OF id, endpoint_id, number, overlap_days, public_key, created_by, created_at ON public.webhook_secret FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
webhook_secret: CREATE TRIGGER is_encrypted BEFORE INSERT ON public.webhook_secret FOR EACH ROW WHEN (((new.envelope IS NULL) OR (new.secret IS NOT NULL) OR (new.seed IS NOT NULL))) EXECUTE FUNCTION refuse_clear()
webhook_secret: CREATE TRIGGER is_encrypted_anew BEFORE UPDATE OF envelope, secret, seed ON public.webhook_secret FOR EACH ROW WHEN (((new.envelope IS NULL) OR (new.secret IS NOT NULL) OR (new.seed IS NOT NULL))) EXECUTE FUNCTION refuse_clear()
webhook_secret: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.webhook_secret FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
webhook_secret: CREATE CONSTRAINT TRIGGER two_people_endpoint_rotate AFTER INSERT ON public.webhook_secret DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN ((new.number > 1)) EXECUTE FUNCTION two_people('endpoint', 'rotate', 'n.endpoint_id', '(p ->> ''overlapDays'')::integer = n.overlap_days', 'false') -- always
work_mishap: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.work_mishap FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
work_mishap: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.work_mishap FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
write_off_limit: CREATE TRIGGER is_append_only BEFORE DELETE OR UPDATE ON public.write_off_limit FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
write_off_limit: CREATE TRIGGER is_not_truncated BEFORE TRUNCATE ON public.write_off_limit FOR EACH STATEMENT EXECUTE FUNCTION refuse_change() -- always
write_off_limit: CREATE TRIGGER is_sealed AFTER INSERT ON public.write_off_limit REFERENCING NEW TABLE AS new_row FOR EACH STATEMENT EXECUTE FUNCTION seal_write_off_limit() -- always
write_off_limit: CREATE CONSTRAINT TRIGGER two_people_write_off_limit_set AFTER INSERT ON public.write_off_limit DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (true) EXECUTE FUNCTION two_people('write_off_limit', 'set', 'n.program_id || '':'' || n.asset', 'p ->> ''minor'' = n.minor::text', 'false') -- always

-- policies
account: everybody using true
account: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (book_id IN ( SELECT book.id
   FROM book))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (book_id IN ( SELECT book.id
   FROM book)))
account_flag: everybody using true
account_flag: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR ((account_id >> 40) IN ( SELECT book.id
   FROM book))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR ((account_id >> 40) IN ( SELECT book.id
   FROM book)))
account_guard: everybody using true
account_guard: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR ((account_id >> 40) IN ( SELECT book.id
   FROM book))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR ((account_id >> 40) IN ( SELECT book.id
   FROM book)))
affiliate: everybody using true
affiliate: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
affiliate_placement: everybody using true
affiliate_placement: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
agent: everybody using true
agent: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
agent_mandate: everybody using true
agent_mandate: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
alert: everybody using true
alert: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
api_key: everybody using true
api_key: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
api_key_secret: everybody using true
api_key_secret: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (api_key_id IN ( SELECT api_key.id
   FROM api_key))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (api_key_id IN ( SELECT api_key.id
   FROM api_key)))
approval_decision: everybody using true
approval_decision: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (proposal_id IN ( SELECT approval_proposal.id
   FROM approval_proposal))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (proposal_id IN ( SELECT approval_proposal.id
   FROM approval_proposal)))
approval_proposal: everybody using true
approval_proposal: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
approval_use: everybody using true
approval_use: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (proposal_id IN ( SELECT approval_proposal.id
   FROM approval_proposal))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (proposal_id IN ( SELECT approval_proposal.id
   FROM approval_proposal)))
bank_file: everybody using true
bank_file: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
bank_report: everybody using true
bank_report: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
bank_statement: everybody using true
bank_statement: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (file_id IN ( SELECT bank_file.id
   FROM bank_file))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (file_id IN ( SELECT bank_file.id
   FROM bank_file)))
book: everybody using true
book: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
break: everybody using true
break: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
break_proposal: everybody using true
break_proposal: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (break_id IN ( SELECT break.id
   FROM break))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (break_id IN ( SELECT break.id
   FROM break)))
break_remark: everybody using true
break_remark: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (break_id IN ( SELECT break.id
   FROM break))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (break_id IN ( SELECT break.id
   FROM break)))
carbon_bill: everybody using true
carbon_bill: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
carbon_bill_line: everybody using true
carbon_bill_line: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
carbon_credit: everybody using true
carbon_credit: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
carbon_energy: everybody using true
carbon_energy: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
carbon_posting: everybody using true
carbon_posting: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
carbon_retirement: everybody using true
carbon_retirement: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
chargeback: everybody using true
chargeback: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
chargeback_conflict: everybody using true
chargeback_conflict: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
chargeback_debt: everybody using true
chargeback_debt: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (chargeback_id IN ( SELECT chargeback.id
   FROM chargeback))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (chargeback_id IN ( SELECT chargeback.id
   FROM chargeback)))
chargeback_escrow: everybody using true
chargeback_escrow: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (chargeback_id IN ( SELECT chargeback.id
   FROM chargeback))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (chargeback_id IN ( SELECT chargeback.id
   FROM chargeback)))
chargeback_refund: everybody using true
chargeback_refund: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (chargeback_id IN ( SELECT chargeback.id
   FROM chargeback))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (chargeback_id IN ( SELECT chargeback.id
   FROM chargeback)))
chargeback_repaid: everybody using true
chargeback_repaid: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (chargeback_id IN ( SELECT chargeback.id
   FROM chargeback))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (chargeback_id IN ( SELECT chargeback.id
   FROM chargeback)))
chargeback_ruling: everybody using true
chargeback_ruling: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
client_money: everybody using true
client_money: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
client_money_signature: everybody using true
client_money_signature: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (client_money_id IN ( SELECT client_money.id
   FROM client_money))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (client_money_id IN ( SELECT client_money.id
   FROM client_money)))
commission: everybody using true
commission: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
commission_payment: everybody using true
commission_payment: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
commission_rate: everybody using true
commission_rate: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
commission_reversal: everybody using true
commission_reversal: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
commission_sale: everybody using true
commission_sale: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
credit_note: everybody using true
credit_note: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
customer_debt_entry: everybody using true
customer_debt_entry: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
destination: everybody using true
destination: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
dispute: everybody using true
dispute: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
dispute_evidence: everybody using true
dispute_evidence: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (dispute_id IN ( SELECT dispute.id
   FROM dispute))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (dispute_id IN ( SELECT dispute.id
   FROM dispute)))
escrow: everybody using true
escrow: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
escrow_condition: everybody using true
escrow_condition: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
escrow_evidence: everybody using true
escrow_evidence: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
escrow_movement: everybody using true
escrow_movement: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
event: everybody using true
event: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
fee_limit: everybody using true
fee_limit: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
fee_rate: everybody using true
fee_rate: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
fee_term: everybody using true
fee_term: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
hold: everybody using true
hold: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR ((debit >> 40) IN ( SELECT book.id
   FROM book))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR ((debit >> 40) IN ( SELECT book.id
   FROM book)))
hold_resolution: everybody using true
hold_resolution: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (hold_id IN ( SELECT hold.id
   FROM hold))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (hold_id IN ( SELECT hold.id
   FROM hold)))
holdback_term: everybody using true
holdback_term: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
holdback_tranche: everybody using true
holdback_tranche: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
holdback_use: everybody using true
holdback_use: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (tranche_id IN ( SELECT holdback_tranche.id
   FROM holdback_tranche))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (tranche_id IN ( SELECT holdback_tranche.id
   FROM holdback_tranche)))
incident: everybody using true
incident: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
intent: everybody using true
intent: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
invoice: everybody using true
invoice: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
invoice_write_off: everybody using true
invoice_write_off: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
journal: everybody using true
journal: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
journal_import: everybody using true
journal_import: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
journal_import_step: everybody using true
journal_import_step: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (import_id IN ( SELECT journal_import.id
   FROM journal_import))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (import_id IN ( SELECT journal_import.id
   FROM journal_import)))
late_posting: everybody using true
late_posting: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (journal_id IN ( SELECT journal.id
   FROM journal))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (journal_id IN ( SELECT journal.id
   FROM journal)))
log_boundary: everybody using true
log_boundary: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR false) check ((CURRENT_USER <> 'counterfoil_program'::name) OR false)
log_checkpoint: everybody using true
log_checkpoint: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR false) check ((CURRENT_USER <> 'counterfoil_program'::name) OR false)
log_entry: everybody using true
log_entry: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR false) check ((CURRENT_USER <> 'counterfoil_program'::name) OR false)
log_key: everybody using true
log_key: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR false) check ((CURRENT_USER <> 'counterfoil_program'::name) OR false)
log_key_change: everybody using true
log_key_change: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR false) check ((CURRENT_USER <> 'counterfoil_program'::name) OR false)
log_key_quantum: everybody using true
log_key_quantum: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR false) check ((CURRENT_USER <> 'counterfoil_program'::name) OR false)
log_origin: everybody using true
log_origin: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR false) check ((CURRENT_USER <> 'counterfoil_program'::name) OR false)
log_position: everybody using true
log_position: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR false) check ((CURRENT_USER <> 'counterfoil_program'::name) OR false)
log_subtree: everybody using true
log_subtree: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR false) check ((CURRENT_USER <> 'counterfoil_program'::name) OR false)
notice: everybody using true
notice: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
open_hold: everybody using true
open_hold: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR ((debit >> 40) IN ( SELECT book.id
   FROM book))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR ((debit >> 40) IN ( SELECT book.id
   FROM book)))
overpayment: everybody using true
overpayment: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
overpayment_repayment: everybody using true
overpayment_repayment: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
payment: everybody using true
payment: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
payment_file: everybody using true
payment_file: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
payment_file_order: everybody using true
payment_file_order: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (file_id IN ( SELECT payment_file.id
   FROM payment_file))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (file_id IN ( SELECT payment_file.id
   FROM payment_file)))
payout: everybody using true
payout: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
payout_approval: everybody using true
payout_approval: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
payout_batch: everybody using true
payout_batch: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
payout_batch_approval: everybody using true
payout_batch_approval: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
payout_batch_line: everybody using true
payout_batch_line: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
payout_batch_maker: everybody using true
payout_batch_maker: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
payout_evidence: everybody using true
payout_evidence: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
payout_netting: everybody using true
payout_netting: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (payout_id IN ( SELECT payout.id
   FROM payout))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (payout_id IN ( SELECT payout.id
   FROM payout)))
payout_policy: everybody using true
payout_policy: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
period_close: everybody using true
period_close: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
period_keys: everybody using true
period_keys: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR false) check ((CURRENT_USER <> 'counterfoil_program'::name) OR false)
personal_data_policy: everybody using true
personal_data_policy: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR false) check ((CURRENT_USER <> 'counterfoil_program'::name) OR false)
principal: everybody using true
principal: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
program: everybody using true
program: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (id = current_setting('counterfoil.program'::text, true)))
program_segment: everybody using true
program_segment: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
proof: everybody using true
proof: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR false) check ((CURRENT_USER <> 'counterfoil_program'::name) OR false)
proof_export: everybody using true
proof_export: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR false) check ((CURRENT_USER <> 'counterfoil_program'::name) OR false)
proof_file: everybody using true
proof_file: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR false) check ((CURRENT_USER <> 'counterfoil_program'::name) OR false)
proof_request: everybody using true
proof_request: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR false) check ((CURRENT_USER <> 'counterfoil_program'::name) OR false)
proof_signature: everybody using true
proof_signature: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR false) check ((CURRENT_USER <> 'counterfoil_program'::name) OR false)
provider_conflict: everybody using true
provider_conflict: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (provider_payout_id IN ( SELECT provider_payout.id
   FROM provider_payout))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (provider_payout_id IN ( SELECT provider_payout.id
   FROM provider_payout)))
provider_payout: everybody using true
provider_payout: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
queue_pause: everybody using true
queue_pause: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = ANY (ARRAY[''::text, current_setting('counterfoil.program'::text, true)]))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
receivable_write_off: everybody using true
receivable_write_off: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
reconciliation_run: everybody using true
reconciliation_run: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
referral: everybody using true
referral: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
refund: everybody using true
refund: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
refund_execution: everybody using true
refund_execution: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (refund_id IN ( SELECT refund.id
   FROM refund))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (refund_id IN ( SELECT refund.id
   FROM refund)))
reversal: everybody using true
reversal: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (journal_id IN ( SELECT journal.id
   FROM journal))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (journal_id IN ( SELECT journal.id
   FROM journal)))
run_finding: everybody using true
run_finding: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (run_id IN ( SELECT reconciliation_run.id
   FROM reconciliation_run))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (run_id IN ( SELECT reconciliation_run.id
   FROM reconciliation_run)))
runbook_run: everybody using true
runbook_run: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
second_administrator: everybody using true
second_administrator: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR false) check ((CURRENT_USER <> 'counterfoil_program'::name) OR false)
settlement: everybody using true
settlement: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
signer: everybody using true
signer: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR false) check ((CURRENT_USER <> 'counterfoil_program'::name) OR false)
silence: everybody using true
silence: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
treasury_movement: everybody using true
treasury_movement: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
two_phase: everybody using true
two_phase: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
two_phase_call: everybody using true
two_phase_call: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
two_phase_check: everybody using true
two_phase_check: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
two_phase_decision: everybody using true
two_phase_decision: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
two_phase_outcome: everybody using true
two_phase_outcome: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
two_phase_participant: everybody using true
two_phase_participant: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
two_phase_vote: everybody using true
two_phase_vote: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
unidentified_payment: everybody using true
unidentified_payment: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
unidentified_repayment: everybody using true
unidentified_repayment: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
unposted_line: everybody using true
unposted_line: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (journal_id IN ( SELECT journal.id
   FROM journal))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (journal_id IN ( SELECT journal.id
   FROM journal)))
usage_file: everybody using true
usage_file: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
usage_fraction: everybody using true
usage_fraction: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
usage_import: everybody using true
usage_import: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
usage_record: everybody using true
usage_record: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
webhook_attempt: everybody using true
webhook_attempt: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (delivery_id IN ( SELECT webhook_delivery.id
   FROM webhook_delivery))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (delivery_id IN ( SELECT webhook_delivery.id
   FROM webhook_delivery)))
webhook_delivery: everybody using true
webhook_delivery: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
webhook_endpoint: everybody using true
webhook_endpoint: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))
webhook_secret: everybody using true
webhook_secret: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (endpoint_id IN ( SELECT webhook_endpoint.id
   FROM webhook_endpoint))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (endpoint_id IN ( SELECT webhook_endpoint.id
   FROM webhook_endpoint)))
write_off_limit: everybody using true
write_off_limit: of_one_program restrictive to counterfoil_program using ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true))) check ((CURRENT_USER <> 'counterfoil_program'::name) OR (program_id = current_setting('counterfoil.program'::text, true)))

-- views
audit_record: SELECT id, at, 'actions'::text AS about, actor, role, verb AS what, subject_id AS subject, 'done'::text AS outcome, ( SELECT principal_id FROM action_origin o WHERE (action_id = id)) AS principal_id, ( SELECT api_key_id FROM action_origin o WHERE (action_id = id)) AS api_key_id, COALESCE(( SELECT address FROM action_origin o WHERE (action_id = id)), ''::text) AS address, reason, NULL::text AS needs, request_id FROM action a UNION ALL SELECT id, at, CASE WHEN (kind = ANY (ARRAY['login_failed'::text, 'login_limited'::text, 'key_refused'::text, 'refused'::text])) THEN 'refusals'::text ELSE 'logins'::text END AS about, name AS actor, ''::text AS role, kind AS what, ((method || ' '::text) || path) AS subject, CASE WHEN (kind = 'login_failed'::text) THEN 'failed'::text WHEN (kind = ANY (ARRAY['login_limited'::text, 'key_refused'::text, 'refused'::text])) THEN 'refused'::text ELSE 'done'::text END AS outcome, principal_id, api_key_id, address, NULL::text AS reason, needs, request_id FROM access_event e;
bank_line_counted: SELECT program_id, account, key, asset, amount, booked_on, value_on, external_id, reference, counterparty, memo, batch, file_id, line, bank_account, statement, "position", entry, envelope FROM bank_line l WHERE (NOT (EXISTS ( SELECT FROM bank_line_withdrawn w WHERE ((program_id = program_id) AND (account = account) AND (key = key)))));
call_standing: SELECT id, subject_id, number, provider, key, payload_sha256, worker, fence, announced_at, horizon_at, kind, answer, answered_at, applied_at, CASE WHEN (kind <> 'unclear'::text) THEN LEAST(answered_at, horizon_at) ELSE horizon_at END AS closed_at FROM (call c LEFT JOIN call_answer a ON ((id = id)));
customer_account: SELECT program_id, split_part(name, ':'::text, 3) AS customer_id, asset, id AS account_id, (debits - credits) AS amount FROM (account a JOIN book b ON ((id = book_id))) WHERE ((name ~~ 'receivable:customer:%'::text) OR (name ~~ 'refund_payable:customer:%'::text));
customer_balance: SELECT ((((program_id || ':'::text) || customer_id) || ':'::text) || asset) AS id, program_id, customer_id, asset, (sum(amount))::bigint AS balance, (COALESCE(( SELECT sum((((total - credited) - written_off) - paid)) AS sum FROM invoice i WHERE ((program_id = program_id) AND (customer_id = customer_id) AND (asset = asset) AND (state = 'overdue'::text))), (0)::numeric))::bigint AS overdue, count(*) AS documents, max(at) AS last_at FROM customer_entry e GROUP BY program_id, customer_id, asset;
customer_entry: SELECT program_id, customer_id, asset, issued_at AS at, 1 AS place, 'invoice'::text AS kind, id AS document_id, id AS about, total AS amount FROM invoice UNION ALL SELECT program_id, customer_id, asset, at, 2 AS place, 'invoice cancelled'::text AS kind, id AS document_id, id AS about, (credited - total) AS amount FROM (invoice i JOIN step s ON (((subject_id = id) AND (machine = 'invoice'::text) AND (verb = 'cancel'::text)))) UNION ALL SELECT program_id, customer_id, asset, recorded_at AS at, 3 AS place, 'payment'::text AS kind, id AS document_id, id AS about, (- amount) AS amount FROM (invoice i JOIN payment p ON ((invoice_id = id))) UNION ALL SELECT program_id, customer_id, asset, at, 4 AS place, 'credit note'::text AS kind, id AS document_id, id AS about, (- amount) AS amount FROM (invoice i JOIN credit_note c ON ((invoice_id = id))) UNION ALL SELECT program_id, customer_id, asset, at, 5 AS place, 'write-off'::text AS kind, id AS document_id, id AS about, (- amount) AS amount FROM (invoice i JOIN invoice_write_off w ON ((invoice_id = id))) UNION ALL SELECT program_id, customer_id, asset, created_at AS at, 6 AS place, 'refund'::text AS kind, id AS document_id, invoice_id AS about, (- amount) AS amount FROM refund r WHERE (NOT (EXISTS ( SELECT FROM credit_note c WHERE (refund_id = id)))) UNION ALL SELECT program_id, customer_id, asset, at, 7 AS place, 'refund taken back'::text AS kind, id AS document_id, invoice_id AS about, amount FROM (refund r JOIN step s ON (((subject_id = id) AND (machine = 'refund'::text) AND (verb = 'win_back'::text)))) UNION ALL SELECT program_id, customer_id, asset, recorded_at AS at, 8 AS place, 'refund paid'::text AS kind, id AS document_id, invoice_id AS about, amount FROM ((refund r JOIN journal j ON (((program_id = program_id) AND (key = ('REFUND_EXECUTE:'::text || id))))) CROSS JOIN LATERAL ( SELECT (sum(amount))::bigint AS amount FROM posting t_1 WHERE (journal_id = id)) t) UNION ALL SELECT program_id, customer_id, asset, at, 9 AS place, 'overpayment paid back'::text AS kind, id AS document_id, invoice_id AS about, amount FROM (overpayment o JOIN overpayment_repayment r ON ((overpayment_id = id))) UNION ALL SELECT program_id, customer_id, asset, opened_at AS at, 10 AS place, 'chargeback'::text AS kind, id AS document_id, invoice_id AS about, amount FROM chargeback WHERE (customer_id IS NOT NULL) UNION ALL SELECT program_id, customer_id, asset, ended_at AS at, 11 AS place, 'chargeback won'::text AS kind, id AS document_id, invoice_id AS about, (- amount) AS amount FROM chargeback WHERE ((customer_id IS NOT NULL) AND (state = 'won'::text)) UNION ALL SELECT program_id, customer_id, asset, at, 12 AS place, ('escrow '::text || CASE kind WHEN 'fund'::text THEN 'funded'::text WHEN 'release'::text THEN 'released'::text ELSE 'paid back'::text END) AS kind, id AS document_id, id AS about, CASE kind WHEN 'fund'::text THEN (- amount) ELSE amount END AS amount FROM (escrow e JOIN escrow_movement m ON ((escrow_id = id))) WHERE (kind = ANY (ARRAY['fund'::text, 'release'::text, 'repay'::text])) UNION ALL SELECT program_id, customer_id, asset, recorded_at AS at, 13 AS place, 'adjustment'::text AS kind, (((id)::text || '/'::text) || line) AS document_id, NULL::text AS about, CASE WHEN (debit = account_id) THEN amount ELSE (- amount) END AS amount FROM (((customer_account c JOIN program_segment s ON ((program_id = program_id))) CROSS JOIN LATERAL ( SELECT journal_id, debit, credit, amount, debit_balance, credit_balance, effective_at, seq, line, segment, off_clock, movement FROM posting WHERE ((segment = segment) AND (debit = account_id)) UNION ALL SELECT journal_id, debit, credit, amount, debit_balance, credit_balance, effective_at, seq, line, segment, off_clock, movement FROM posting WHERE ((segment = segment) AND (credit = account_id))) t) JOIN journal j ON ((id = journal_id))) WHERE ((key_word(key) IS NULL) OR (key_word(key) = ANY (ARRAY['reversal'::text, 'break'::text, 'post'::text]))) UNION ALL SELECT program_id, customer_id, asset, opened_at AS at, 14 AS place, 'chargeback'::text AS kind, id AS document_id, CASE count(*) WHEN 1 THEN min(id) ELSE NULL::text END AS about, (sum(amount))::bigint AS amount FROM ((chargeback_escrow x JOIN chargeback c ON ((id = chargeback_id))) JOIN escrow e ON ((id = escrow_id))) GROUP BY program_id, customer_id, asset, id UNION ALL SELECT program_id, customer_id, asset, ended_at AS at, 15 AS place, 'chargeback won'::text AS kind, id AS document_id, CASE count(*) WHEN 1 THEN min(id) ELSE NULL::text END AS about, (- (sum(amount))::bigint) AS amount FROM ((chargeback_escrow x JOIN chargeback c ON ((id = chargeback_id))) JOIN escrow e ON ((id = escrow_id))) WHERE (state = 'won'::text) GROUP BY program_id, customer_id, asset, id UNION ALL SELECT program_id, customer_id, asset, at, 16 AS place, ('debt '::text || CASE kind WHEN 'paid'::text THEN 'paid'::text ELSE 'written off'::text END) AS kind, id AS document_id, NULL::text AS about, (- amount) AS amount FROM customer_debt_entry UNION ALL SELECT program_id, customer_id, asset, opened_at AS at, 17 AS place, 'chargeback'::text AS kind, id AS document_id, NULL::text AS about, (sum(amount))::bigint AS amount FROM ((chargeback_debt x JOIN chargeback c ON ((id = chargeback_id))) JOIN customer_debt_entry d ON ((id = entry_id))) GROUP BY program_id, customer_id, asset, id UNION ALL SELECT program_id, customer_id, asset, ended_at AS at, 18 AS place, 'chargeback won'::text AS kind, id AS document_id, NULL::text AS about, (- (sum(amount))::bigint) AS amount FROM ((chargeback_debt x JOIN chargeback c ON ((id = chargeback_id))) JOIN customer_debt_entry d ON ((id = entry_id))) WHERE (state = 'won'::text) GROUP BY program_id, customer_id, asset, id;
debt: SELECT ((((program_id || ':'::text) || asset) || ':'::text) || name) AS id, program_id, split_part(name, ':'::text, 2) AS owed_by, substr(name, ((length('receivable::'::text) + length(split_part(name, ':'::text, 2))) + 1)) AS party_id, asset, (debits - credits) AS amount, id AS account_id FROM (account a JOIN book b ON ((id = book_id))) WHERE ((debits > credits) AND ((name ~~ 'receivable:payee:%'::text) OR (name ~~ 'receivable:customer:%'::text)));
fee_version: SELECT program_id, version, platform_bps, validator_bps, holdback_bps, COALESCE(effective_at, recorded_at) AS effective_at, actor, recorded_at FROM (fee_rate r LEFT JOIN fee_term t USING (program_id, version));
ledger_entries: SELECT program_id, type, amount, to_timestamp(((((seq >> 20))::numeric / 1000.0))::double precision) AS created_at, effective_at, asset, name AS account, balance, kind, key, id AS journal_id, line, seq, movement, actor, narrative, source_type, source_id FROM ((((posting p CROSS JOIN LATERAL ( VALUES ('debit'::text,debit,debit_balance), ('credit'::text,credit,credit_balance)) s(type, account_id, balance)) JOIN account a ON ((id = account_id))) JOIN book b ON ((id = book_id))) JOIN journal j ON ((id = journal_id)));
listed_account: SELECT ((((program_id || ':'::text) || asset) || ':'::text) || name) AS id, program_id, asset, name, CASE WHEN debit_normal THEN (debits - credits) ELSE (credits - debits) END AS balance, CASE WHEN debit_normal THEN credits_pending ELSE debits_pending END AS held, opened_at, id AS account_id FROM (account a JOIN book b ON ((id = book_id)));
listed_commission_rate: SELECT ((((program_id || ':'::text) || asset) || ':'::text) || (version)::text) AS id, program_id, asset, version, base, mode, levels, cap_bps, mature_days, minimum, effective_at, actor, recorded_at FROM commission_rate r;
listed_fee_version: SELECT ((program_id || ':'::text) || (version)::text) AS id, program_id, version, platform_bps, validator_bps, holdback_bps, effective_at, actor, recorded_at FROM fee_version v;
payout_policy_in_force: SELECT DISTINCT ON (program_id, asset) ((program_id || ':'::text) || asset) AS id, program_id, asset, version, by_rule_max, tiers_above, tiers_approvers, cooling_hours, reason, actor, at FROM payout_policy p ORDER BY program_id, asset, version DESC;
payout_source: SELECT id, program_id, invoice_id, payee_id, asset, gross, platform_fee, validator_fee, holdback, net, rate_version, at FROM sale UNION ALL SELECT id, program_id, id AS invoice_id, affiliate_id AS payee_id, asset, earned AS gross, 0 AS platform_fee, 0 AS validator_fee, 0 AS holdback, amount AS net, rate_version, at FROM commission_payment;
queue_paused: SELECT number, queue, provider, program_id, paused, reason, actor, at FROM ( SELECT DISTINCT ON (queue, provider, program_id) number, queue, provider, program_id, paused, reason, actor, at FROM queue_pause ORDER BY queue, provider, program_id, number DESC) latest WHERE paused;
sale: SELECT id, program_id, customer_id, invoice_id, payee_id, asset, gross, platform_fee, validator_fee, holdback, net, rate_version, at, true AS is_settlement FROM (settlement s JOIN invoice i ON ((id = invoice_id))) UNION ALL SELECT id, program_id, customer_id, escrow_id AS invoice_id, payee_id, asset, amount AS gross, platform_fee, validator_fee, 0 AS holdback, net, rate_version, at, false AS is_settlement FROM (escrow_movement m JOIN escrow e ON ((id = escrow_id))) WHERE (kind = 'release'::text);
schedule_moment: SELECT ((name || '@'::text) || (((EXTRACT(epoch FROM (slot_at AT TIME ZONE 'UTC'::text)) * (1000000)::numeric))::bigint)::text) AS id, name, slot_at, slot_at AS first_at, 0 AS missed, taken_at, taken_by FROM reconciliation_slot t UNION ALL SELECT (((name || '@'::text) || (((EXTRACT(epoch FROM (first_at AT TIME ZONE 'UTC'::text)) * (1000000)::numeric))::bigint)::text) || '+'::text) AS id, name, last_at AS slot_at, first_at, missed, noticed_at AS taken_at, noticed_by AS taken_by FROM reconciliation_gap g;

-- sequences
account_serial: bigint from 1 to 1099511627775 by 1
book_id_seq: integer from 1 to 2147483647 by 1
ledger_version_0: bigint from 1 to 9223372036854775807 by 1
ledger_version_1: bigint from 1 to 9223372036854775807 by 1
ledger_version_10: bigint from 1 to 9223372036854775807 by 1
ledger_version_11: bigint from 1 to 9223372036854775807 by 1
ledger_version_12: bigint from 1 to 9223372036854775807 by 1
ledger_version_13: bigint from 1 to 9223372036854775807 by 1
ledger_version_14: bigint from 1 to 9223372036854775807 by 1
ledger_version_15: bigint from 1 to 9223372036854775807 by 1
ledger_version_2: bigint from 1 to 9223372036854775807 by 1
ledger_version_3: bigint from 1 to 9223372036854775807 by 1
ledger_version_4: bigint from 1 to 9223372036854775807 by 1
ledger_version_5: bigint from 1 to 9223372036854775807 by 1
ledger_version_6: bigint from 1 to 9223372036854775807 by 1
ledger_version_7: bigint from 1 to 9223372036854775807 by 1
ledger_version_8: bigint from 1 to 9223372036854775807 by 1
ledger_version_9: bigint from 1 to 9223372036854775807 by 1
queue_pause_number_seq: bigint from 1 to 9223372036854775807 by 1
reconciliation_run_number: bigint from 1 to 9223372036854775807 by 1
schedule_end_number_seq: bigint from 1 to 9223372036854775807 by 1
sentinel_run_number: bigint from 1 to 9223372036854775807 by 1
two_phase_vote_seq: bigint from 1 to 9223372036854775807 by 1
work_mishap_id_seq: bigint from 1 to 9223372036854775807 by 1

-- functions
a_batch_pays_its_lines(): CREATE OR REPLACE FUNCTION public.a_batch_pays_its_lines()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    if not exists (
        select from payout_batch_line l join payout_batch b on b.id = l.batch_id
        where l.payout_id = new.payout_id and l.batch_id = new.batch_id and l.live and l.removed_at is null
          and (l.amount, l.destination_id) = (new.amount, new.destination_id) and b.state in ('executing', 'partially_executed')) then
        raise 'batch % does not pay this', new.batch_id using errcode = 'CF382';
    end if;
    return new;
end $function$

a_code_is_used_once(): CREATE OR REPLACE FUNCTION public.a_code_is_used_once()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    raise 'a one-time code is used once' using errcode = 'CF001';
end $function$

a_fresh_factor_approves(): CREATE OR REPLACE FUNCTION public.a_fresh_factor_approves()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    if not approves_with_second_factor(new.session_id, new.at) then
        raise 'an approval needs a fresh second factor' using errcode = 'CF365';
    end if;
    return new;
end $function$

a_login_only_gets_shorter(): CREATE OR REPLACE FUNCTION public.a_login_only_gets_shorter()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    raise 'a login lasts as long as it was opened for' using errcode = 'CF001';
end $function$

a_person_approves(): CREATE OR REPLACE FUNCTION public.a_person_approves()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
declare
    needed text;
    about  text;
begin
    select coalesce((select a.role from approving_role a where a.machine = p.machine), 'approver'), p.program_id into needed, about
    from approval_proposal p where p.id = new.proposal_id;
    perform pg_advisory_xact_lock(4271036, hashtext(new.proposal_id));  -- of a yes and a no at once the later sees the earlier
    if new.decision = 'approved' and not exists (
        select from session s join principal p on p.id = s.principal_id
        where s.id = new.session_id and s.principal_id = new.checker_id and s.api_key_id is null and p.kind = 'person'
          and p.disabled_at is null and new.at >= s.created_at and new.at < s.expires_at) then
        raise 'an approval needs the login of a person' using errcode = 'CF361';
    end if;
    if new.decision = 'approved' and not exists (
        select from role_grant g where g.principal_id = new.checker_id and g.role = needed and g.revoked_at is null
                                   and (g.program_id is null or g.program_id = about)) then
        raise 'whoever approves this holds the role %', needed using errcode = 'CF363';
    end if;
    if exists (select from approval_decision d where d.proposal_id = new.proposal_id and d.decision <> 'approved')
       or exists (select from approval_use u where u.proposal_id = new.proposal_id) then
        raise 'proposal % is decided', new.proposal_id using errcode = 'CF362';
    end if;
    return new;
end $function$

a_person_approves_the_batch(): CREATE OR REPLACE FUNCTION public.a_person_approves_the_batch()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    if not exists (
        select from session s join principal p on p.id = s.principal_id
        where s.id = new.session_id and s.principal_id = new.principal_id and s.api_key_id is null and p.kind = 'person'
          and p.disabled_at is null and new.at >= s.created_at and new.at < s.expires_at) then
        raise 'an approval needs the login of a person' using errcode = 'CF361';
    end if;
    if not exists (select from role_grant g where g.principal_id = new.principal_id and g.role = 'approver' and g.revoked_at is null
                     and (g.program_id is null or g.program_id = (select b.program_id from payout_batch b where b.id = new.batch_id))) then
        raise 'whoever approves a batch holds the role approver' using errcode = 'CF383';
    end if;
    if exists (select from payout_batch_maker m where m.batch_id = new.batch_id and m.principal_id = new.principal_id) then
        raise 'whoever made or changed batch % does not approve it', new.batch_id using errcode = 'CF381';
    end if;
    if not exists (select from payout_batch b where b.id = new.batch_id and b.state = 'pending_approval' and b.round = new.round
                                                and b.sha256 = new.sha256 and b.sha256 = payout_batch_digest(b.id)) then
        raise 'batch % is not what was approved', new.batch_id using errcode = 'CF382';
    end if;
    return new;
end $function$

account_flag_was_set(): CREATE OR REPLACE FUNCTION public.account_flag_was_set()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    -- A batch decides by the flags it read under the program's lock: wait for it.
    perform pg_advisory_xact_lock_shared(program_lock(b.program_id)), nextval(program_version(b.program_id))
    from book b where b.id = new.account_id >> 40;
    if new.step <> 1 + (select count(*) from account_flag where account_id = new.account_id and step < new.step) then
        raise exception 'flags are set one after another' using errcode = 'CF002';
    end if;
    update account a
    set frozen = case new.flag when 'frozen' then new.value else a.frozen end,
        closed = case new.flag when 'closed' then new.value else a.closed end,
        no_overdraft = case new.flag when 'no_overdraft' then new.value else a.no_overdraft end
    where a.id = new.account_id;
    if not found then
        raise exception 'account % does not exist', new.account_id using errcode = 'CF107';
    end if;
    return null;
end $function$

account_guard_is_kept(): CREATE OR REPLACE FUNCTION public.account_guard_is_kept()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    insert into account_guard (account_id, no_overdraft) select id, no_overdraft from new_account;
    return null;
end $function$

accounts_were_opened(): CREATE OR REPLACE FUNCTION public.accounts_were_opened()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    if exists (select from new_account
               where (debits, credits, debits_pending, credits_pending, last_seq, frozen, closed) <> (0, 0, 0, 0, 0, false, false)) then
        raise exception 'an account is opened empty' using errcode = 'CF111';
    elsif exists (select from new_account a where not exists (select from book b where b.id = a.book_id)) then
        raise exception 'an account lies in a book that there is' using errcode = 'CF101';
    end if;
    return null;
end $function$

affiliate_depth_max(): CREATE OR REPLACE FUNCTION public.affiliate_depth_max()
 RETURNS integer
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO 'public', 'pg_temp'
RETURN 10

affiliate_is_born_alone(): CREATE OR REPLACE FUNCTION public.affiliate_is_born_alone()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    if new.parent_id is not null or new.state <> 'active' then
        raise 'an affiliate begins active and alone; a placement puts it under another' using errcode = 'CF002';
    end if;
    return new;
end $function$

affiliate_is_placed(): CREATE OR REPLACE FUNCTION public.affiliate_is_placed()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
declare
    above integer;
    below integer;
begin
    -- One change of a program's tree at a time: two that are harmless alone can make a circle together.
    perform pg_advisory_xact_lock(hashtextextended('affiliate:' || new.program_id, 0));
    if new.number <> 1 + (select count(*) from affiliate_placement p where p.affiliate_id = new.affiliate_id)
       or not exists (select from affiliate a where (a.id, a.program_id) = (new.affiliate_id, new.program_id)) then
        raise 'the places of affiliate % follow one another', new.affiliate_id using errcode = 'CF002';
    end if;
    if new.affiliate_id = any (affiliate_path(new.parent_id)) then
        raise 'affiliate % would stand above itself', new.affiliate_id using errcode = 'CF002';
    end if;
    above := coalesce(cardinality(affiliate_path(new.parent_id)), 0);
    with recursive under (id, depth) as (
        select new.affiliate_id, 1
        union all select a.id, u.depth + 1 from affiliate a join under u on a.parent_id = u.id where u.depth <= affiliate_depth_max())
    select max(depth) into below from under;
    if above + below > affiliate_depth_max() then
        raise 'a tree of affiliates is at most % deep; this one would be %', affiliate_depth_max(), above + below using errcode = 'CF002';
    end if;
    update affiliate set parent_id = new.parent_id where id = new.affiliate_id;
    return new;
end $function$

affiliate_path(text): CREATE OR REPLACE FUNCTION public.affiliate_path(affiliate_asked text)
 RETURNS text[]
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'public', 'pg_temp'
AS $function$
declare
    path    text[] := '{}';
    current text   := affiliate_asked;
begin
    while current is not null and current <> all (path) loop
        path := path || current;
        current := (select parent_id from affiliate where id = current);
    end loop;
    return path;
end $function$

affiliate_path_at(text,timestamp with time zone): CREATE OR REPLACE FUNCTION public.affiliate_path_at(affiliate_asked text, moment timestamp with time zone)
 RETURNS text[]
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'public', 'pg_temp'
AS $function$
declare
    path    text[] := '{}';
    current text   := affiliate_asked;
begin
    while current is not null and current <> all (path) loop
        path := path || current;
        current := (select parent_id from affiliate_placement
                    where affiliate_id = current and at <= moment order by number desc limit 1);
    end loop;
    return path;
end $function$

agent_mandate_fits(): CREATE OR REPLACE FUNCTION public.agent_mandate_fits()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    perform from agent where id = new.agent_id for update;  -- of two at once the later comes after the earlier
    if new.number <> 1 + (select count(*) from agent_mandate m where m.agent_id = new.agent_id)
       or exists (select from agent a where a.id in (new.agent_id, new.counterparty_id) and a.program_id <> new.program_id)
       or not exists (select from book b where (b.program_id, b.asset) = (new.program_id, new.asset))
       or not new.revoked and exists (select from agent a where a.id = new.agent_id and a.state = 'closed') then
        raise 'agent %: its mandates follow one another, in an asset and among agents of its program', new.agent_id using errcode = 'CF002';
    end if;
    return new;
end $function$

agent_spent(text,text,text,timestamp with time zone,bigint,text): CREATE OR REPLACE FUNCTION public.agent_spent(agent text, of_asset text, other text, since timestamp with time zone, upto bigint, but text)
 RETURNS bigint
 LANGUAGE sql
 STABLE
 SET search_path TO 'public', 'pg_temp'
RETURN (COALESCE((SELECT sum(CASE WHEN (agent_spent.other IS NULL) THEN p.amount ELSE LEAST(p.amount, COALESCE((SELECT c.amount FROM two_phase_participant c WHERE ((c.transaction_id = p.transaction_id) AND (c.agent_id = agent_spent.other) AND (c.asset = p.asset) AND (c.side = 'credit'::text))), (0)::bigint)) END) AS sum FROM (two_phase_participant p JOIN two_phase_vote v ON ((((v.transaction_id = p.transaction_id) AND (v.number = p.number)) AND (v.vote = 'yes'::text)))) WHERE ((p.agent_id = agent_spent.agent) AND (p.asset = agent_spent.of_asset) AND (p.side = 'debit'::text) AND (p.transaction_id <> agent_spent.but) AND (v.at >= agent_spent.since) AND (v.seq < agent_spent.upto) AND (NOT (EXISTS (SELECT FROM two_phase_outcome o WHERE ((o.transaction_id = p.transaction_id) AND (o.number = p.number) AND (o.outcome = 'released'::text))))))), (0)::numeric))::bigint

an_administrator_stays(): CREATE OR REPLACE FUNCTION public.an_administrator_stays()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
declare
    at timestamptz := case when tg_table_name = 'principal' then to_jsonb(new) ->> 'disabled_at' else to_jsonb(new) ->> 'revoked_at' end;
begin
    if tg_table_name = 'principal' and not exists (
        select from role_grant where principal_id = new.id and role = 'administrator' and revoked_at is null
        union all select from api_key where principal_id = new.id and role = 'administrator' and revoked_at is null) then
        return null;
    end if;
    perform pg_advisory_xact_lock(4271035);
    if not exists (select from role_grant g join principal p on p.id = g.principal_id
                   where g.role = 'administrator' and g.revoked_at is null and g.program_id is null
                     and p.disabled_at is null and p.program_id is null)
       and not exists (select from api_key k join principal p on p.id = k.principal_id
                       where k.role = 'administrator' and k.revoked_at is null and p.disabled_at is null and k.program_id is null
                         and k.scopes is null and (k.expires_at is null or k.expires_at > at)) then
        raise 'nobody would administer this installation any more' using errcode = 'CF352';
    end if;
    return null;
end $function$

an_attempt_is_allowed_by_what_counts(): CREATE OR REPLACE FUNCTION public.an_attempt_is_allowed_by_what_counts()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
declare newest payout_policy;
begin
    select q.* into newest from payout p join payout_policy q on (q.program_id, q.asset) = (p.program_id, p.asset)
    where p.id = new.payout_id order by q.version desc limit 1;
    if new.basis = 'before' then
        raise 'attempt % is not older than the approvals', new.provider_payout_id using errcode = 'CF384';
    elsif new.basis = 'none' and newest.version is not null then
        raise 'payouts in % are approved by policy, and nothing approved attempt %', newest.asset, new.provider_payout_id using errcode = 'CF384';
    elsif new.basis = 'rule' and newest.version is distinct from new.policy_version then
        raise 'attempt % was allowed by a policy that is not the newest', new.provider_payout_id using errcode = 'CF384';
    elsif new.basis = 'rule' and new.amount > newest.by_rule_max then
        raise 'attempt % is of more than is paid by rule', new.provider_payout_id using errcode = 'CF384';
    end if;
    return new;
end $function$

approval_is_used_rightly(): CREATE OR REPLACE FUNCTION public.approval_is_used_rightly()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    perform pg_advisory_xact_lock(4271036, hashtext(new.proposal_id));
    if not exists (
        select from approval_proposal p join approval_decision d on d.proposal_id = p.id
        where p.id = new.proposal_id and (p.machine, p.subject_id, p.verb) = (new.machine, new.subject_id, new.verb)
          and new.at <= p.expires_at and d.at <= new.at
        having bool_and(d.decision = 'approved')) then
        raise 'proposal % does not approve this', new.proposal_id using errcode = 'CF360';
    end if;
    return new;
end $function$

approves_with_second_factor(text,timestamp with time zone): CREATE OR REPLACE FUNCTION public.approves_with_second_factor(session_id text, at timestamp with time zone)
 RETURNS boolean
 LANGUAGE sql
 STABLE
 SET search_path TO 'public', 'pg_temp'
RETURN (NOT (EXISTS (SELECT FROM (session s LEFT JOIN second_factor f ON (((f.principal_id = s.principal_id) AND (f.confirmed_at IS NOT NULL) AND (f.ended_at IS NULL)))) WHERE ((s.id = approves_with_second_factor.session_id) AND (((f.id IS NOT NULL) AND ((s.factor_until IS NULL) OR (s.factor_until <= approves_with_second_factor.at))) OR ((f.id IS NULL) AND s.factor_demanded))))))

books_are_open(text[],timestamp with time zone): CREATE OR REPLACE FUNCTION public.books_are_open(programs text[], effective_from timestamp with time zone)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
declare
    program text;
    until   timestamptz;
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'the ledger is written under read committed only' using errcode = 'CF109';
    end if;
    foreach program in array programs loop
        perform pg_advisory_xact_lock_shared(program_lock(program)), nextval(program_version(program));
        select closed_until into until from period_close where program_id = program order by step desc limit 1;
        if effective_from < until then
            raise exception 'the books of % are closed until %', program, until using errcode = 'CF104';
        end if;
    end loop;
end $function$

broken_seals(text[]): CREATE OR REPLACE FUNCTION public.broken_seals(relations text[] DEFAULT NULL::text[])
 RETURNS TABLE(relation text, row_id text, what text)
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
declare
    one    record;
    of_row record;
begin
    for one in select * from sealed_relation r where relations is null or r.relation = any (relations) order by r.relation loop
        select * into of_row from seal_expressions(one.key, one.columns);
        return query execute format($q$
            select %1$L::text, coalesce(r.row_id, s.row_id),
                   case when r.row_id is null then 'was taken out' when s.row_id is null then 'was put in past its rules' else 'was changed' end
            from (select %2$s as row_id, %3$s as sha256 from %4$I n) r
            full join (select row_id, sha256 from seal where relation = %1$L) s on s.row_id = r.row_id
            where r.sha256 is distinct from s.sha256 $q$, one.relation, of_row.row_id, of_row.sha256, one.relation);
    end loop;
end $function$

call_answer_keeps_its_word(): CREATE OR REPLACE FUNCTION public.call_answer_keeps_its_word()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    if tg_op = 'UPDATE' then
        if (new.id, new.kind, new.answer, new.answered_at) is not distinct from (old.id, old.kind, old.answer, old.answered_at)
            and (old.state = 'stored' or new.state = 'applied') then
            return new;
        end if;
    end if;
    raise exception 'call_answer is append-only: % is refused', lower(tg_op) using errcode = 'CF001';
end $function$

canonical_json(jsonb): CREATE OR REPLACE FUNCTION public.canonical_json(given jsonb)
 RETURNS text
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    return case jsonb_typeof(given)
        when 'object' then (select '{' || coalesce(string_agg(to_json(key)::text || ':' || canonical_json(value), ',' order by key collate "C"), '') || '}'
                            from jsonb_each(given))
        when 'array' then (select '[' || coalesce(string_agg(canonical_json(value), ',' order by place), '') || ']'
                           from jsonb_array_elements(given) with ordinality as one (value, place))
        else given::text end;
end $function$

carbon_bill_is_over_its_lines(): CREATE OR REPLACE FUNCTION public.carbon_bill_is_over_its_lines()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    if tg_table_name = 'carbon_bill_line' then
        if exists (select from carbon_bill where id = new.bill_id) then
            raise 'bill %: no line is added to it', new.bill_id using errcode = 'CF002';
        end if;
    elsif (new.lines, new.watt_hours, new.grams) is distinct from
              (select (count(*)::integer, coalesce(sum(l.watt_hours), 0)::bigint, coalesce(sum(l.grams), 0)::bigint)
               from carbon_bill_line l where l.bill_id = new.id)
          or exists (select from carbon_bill_line l where l.bill_id = new.id
                     and (l.program_id <> new.program_id or l.day not between new.first_day and new.last_day)) then
        raise 'bill %: its lines are not those that it names', new.reference using errcode = 'CF002';
    end if;
    return new;
end $function$

carbon_credit_is_bought_once(): CREATE OR REPLACE FUNCTION public.carbon_credit_is_bought_once()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
declare
    other text;
begin
    perform pg_advisory_xact_lock(hashtextextended('carbon:' || new.registry || ':' || new.series, 0));  -- of two at once the later sees the earlier
    select c.id into other from carbon_credit c
    where (c.registry, c.series) = (new.registry, new.series) and c.first_serial <= new.last_serial and c.last_serial >= new.first_serial
    limit 1;
    if found then
        raise 'serials % to % of % % are among those of %', new.first_serial, new.last_serial, new.registry, new.series, other
            using errcode = 'CF002';
    end if;
    return new;
end $function$

carbon_posting_follows(): CREATE OR REPLACE FUNCTION public.carbon_posting_follows()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
declare
    before record;
begin
    perform from agent where id = new.agent_id for update;
    select number, total into before from carbon_posting
    where (agent_id, region, day) = (new.agent_id, new.region, new.day) order by number desc limit 1;
    if new.number <> coalesce(before.number, 0) + 1 or new.total <> coalesce(before.total, 0) + new.grams then
        raise 'grams of % in % on %: % follow %', new.agent_id, new.region, new.day, new.number, coalesce(before.number, 0)
            using errcode = 'CF002';
    end if;
    return new;
end $function$

carbon_serial_is_retired_once(): CREATE OR REPLACE FUNCTION public.carbon_serial_is_retired_once()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
declare
    c     carbon_credit;
    other text;
begin
    select * into c from carbon_credit where id = new.credit_id;
    perform pg_advisory_xact_lock(hashtextextended('carbon:' || c.registry || ':' || c.series, 0));
    select r.id into other from carbon_retirement r
    where r.credit_id = new.credit_id and r.first_serial <= new.last_serial and r.last_serial >= new.first_serial limit 1;
    if found then
        raise 'serials % to % of %: some are retired already, by %', new.first_serial, new.last_serial, new.credit_id, other using errcode = 'CF002';
    elsif new.first_serial < c.first_serial or new.last_serial > c.last_serial or new.program_id <> c.program_id
          or new.grams <> (new.last_serial - new.first_serial + 1) * c.grams_each
          or new.agent_id is not null and not exists (select from agent a where (a.id, a.program_id) = (new.agent_id, new.program_id)) then
        raise 'serials % to % are not of %', new.first_serial, new.last_serial, new.credit_id using errcode = 'CF002';
    end if;
    return new;
end $function$

chain_order_takes_the_next_nonce(): CREATE OR REPLACE FUNCTION public.chain_order_takes_the_next_nonce()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    update chain_sender set next_nonce = next_nonce + 1
    where chain_id = new.chain_id and address = new.sender and next_nonce = new.nonce;
    if not found then
        raise exception 'nonce % of % is not its next one', new.nonce, new.sender using errcode = '23514';
    end if;
    return new;
end $function$

chain_sender_goes_forward(): CREATE OR REPLACE FUNCTION public.chain_sender_goes_forward()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    if (new.chain_id, new.address) is distinct from (old.chain_id, old.address) or new.next_nonce < old.next_nonce
       or new.seen_block < old.seen_block or new.done_nonce < old.done_nonce then
        raise exception 'what a sender has used, seen and done only grows' using errcode = '23514';
    end if;
    return new;
end $function$

chargeback_of_unused(text): CREATE OR REPLACE FUNCTION public.chargeback_of_unused(chargeback_asked text)
 RETURNS bigint
 LANGUAGE sql
 STABLE
 SET search_path TO 'public', 'pg_temp'
RETURN (SELECT ((((c.amount)::numeric - COALESCE((SELECT sum(x.amount) AS sum FROM chargeback_escrow x WHERE (x.chargeback_id = c.id)), (0)::numeric)) - COALESCE((SELECT sum(x.amount) AS sum FROM chargeback_debt x WHERE (x.chargeback_id = c.id)), (0)::numeric)) - (COALESCE((SELECT x.amount FROM chargeback_repaid x WHERE (x.chargeback_id = c.id)), (0)::bigint))::numeric) FROM chargeback c WHERE (c.id = chargeback_of_unused.chargeback_asked))

chargeback_repaid_within_repayment(): CREATE OR REPLACE FUNCTION public.chargeback_repaid_within_repayment()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
declare
    most bigint;
begin
    select r.amount - coalesce((select sum(x.amount) from chargeback_repaid x join chargeback o on o.id = x.chargeback_id
                                where x.unidentified_payment_id = r.unidentified_payment_id and o.state <> 'won'), 0)
    into most
    from unidentified_repayment r join chargeback c on c.payment_id = r.payment_id
    where c.id = new.chargeback_id and r.unidentified_payment_id = new.unidentified_payment_id;
    if new.amount > coalesce(most, 0) then
        raise 'chargeback % took % of what had gone back, and that was %', new.chargeback_id, new.amount, coalesce(most, 0)
            using errcode = 'CF002';
    end if;
    return new;
end $function$

chargeback_within_payment(): CREATE OR REPLACE FUNCTION public.chargeback_within_payment()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
declare
    most bigint;
begin
    perform lock_payments(array[new.payment_id]);
    select p.amount - coalesce((select sum(c.amount) from chargeback c where c.payment_id = p.id and c.state <> 'won'), 0)
    into most from payment p where p.id = new.payment_id;
    if new.amount > most then
        raise 'chargeback % takes %, and % is left of payment %', new.id, new.amount, most, new.payment_id using errcode = 'CF002';
    end if;
    return new;
end $function$

commission_base(text,bigint,bigint): CREATE OR REPLACE FUNCTION public.commission_base(kind text, gross bigint, platform_fee bigint)
 RETURNS bigint
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO 'public', 'pg_temp'
RETURN CASE kind WHEN 'gross'::text THEN gross WHEN 'net_of_platform'::text THEN (gross - platform_fee) ELSE platform_fee END

commission_carried(text,text): CREATE OR REPLACE FUNCTION public.commission_carried(affiliate_asked text, of_asset text)
 RETURNS bigint
 LANGUAGE sql
 STABLE
 SET search_path TO 'public', 'pg_temp'
RETURN ((COALESCE((SELECT sum(r.amount) AS sum FROM (commission_reversal r JOIN commission c ON ((c.id = r.commission_id))) WHERE ((c.affiliate_id = commission_carried.affiliate_asked) AND (c.asset = commission_carried.of_asset) AND (r.state = 'paid'::text))), (0)::numeric) - COALESCE((SELECT sum(p.netted) AS sum FROM commission_payment p WHERE ((p.affiliate_id = commission_carried.affiliate_asked) AND (p.asset = commission_carried.of_asset))), (0)::numeric)))::bigint

commission_contested(text): CREATE OR REPLACE FUNCTION public.commission_contested(sale_asked text)
 RETURNS boolean
 LANGUAGE sql
 STABLE
 SET search_path TO 'public', 'pg_temp'
RETURN (EXISTS (SELECT FROM settlement s WHERE ((s.id = commission_contested.sale_asked) AND ((EXISTS (SELECT FROM dispute d WHERE ((d.invoice_id = s.invoice_id) AND (d.ended_at IS NULL)))) OR (EXISTS (SELECT FROM chargeback k WHERE ((k.invoice_id = s.invoice_id) AND (k.ended_at IS NULL))))))))

commission_due(text,boolean): CREATE OR REPLACE FUNCTION public.commission_due(sale_asked text, with_refunds boolean)
 RETURNS bigint[]
 LANGUAGE sql
 STABLE
 SET search_path TO 'public', 'pg_temp'
RETURN (SELECT (SELECT array_agg(CASE WHEN c.earns[u.n] THEN LEAST(u.whole, u.rest) ELSE (0)::bigint END ORDER BY u.n) AS array_agg FROM UNNEST((commission_shares(commission_base(c.base_kind, c.gross, c.platform_fee), c.levels, c.mode))[1:cardinality(c.path)], (commission_shares(GREATEST((0)::bigint, commission_base(c.base_kind, (c.gross - b.amount), (c.platform_fee - b.platform_fee))), c.levels, c.mode))[1:cardinality(c.path)]) WITH ORDINALITY u(whole, rest, n)) AS array_agg FROM (commission_sale c CROSS JOIN LATERAL (SELECT (COALESCE(sum(r.amount), (0)::numeric))::bigint AS amount, (COALESCE(sum(r.platform_fee), (0)::numeric))::bigint AS platform_fee FROM refund r WHERE (commission_due.with_refunds AND (r.settlement_id = c.id) AND (r.state <> 'won_back'::text))) b) WHERE (c.id = commission_due.sale_asked))

commission_earners(text[],text,timestamp with time zone): CREATE OR REPLACE FUNCTION public.commission_earners(path_asked text[], customer text, moment timestamp with time zone)
 RETURNS boolean[]
 LANGUAGE sql
 STABLE
 SET search_path TO 'public', 'pg_temp'
RETURN (SELECT array_agg((((commission_earners.customer <> a.id) AND (commission_earners.customer <> a.name)) AND COALESCE((SELECT (s.to_state = 'active'::text) FROM step s WHERE (((s.machine = 'affiliate'::text) AND (s.subject_id = a.id)) AND (s.at <= commission_earners.moment)) ORDER BY s.step DESC LIMIT 1), false)) ORDER BY u.n) AS array_agg FROM (unnest(commission_earners.path_asked) WITH ORDINALITY u(id, n) JOIN affiliate a USING (id)))

commission_is_due(): CREATE OR REPLACE FUNCTION public.commission_is_due()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    if not exists (select from commission_sale s where s.id = new.sale_id and s.path[new.level] = new.affiliate_id
                   and (s.program_id, s.asset) = (new.program_id, new.asset) and (commission_due(s.id, false))[new.level] = new.amount)
       or (new.state, new.taken_back) <> ('accrued', 0) or new.payment_id is not null then
        raise 'sale %: level % is not due this', new.sale_id, new.level using errcode = 'CF002';
    end if;
    return new;
end $function$

commission_is_paid_by_its_payment(): CREATE OR REPLACE FUNCTION public.commission_is_paid_by_its_payment()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    if (old.state, new.state) = ('accrued', 'payable') and (new.state_at < new.matures_at or commission_contested(new.sale_id)) then
        raise 'commission % matures at %, and not while its sale is disputed', new.id, new.matures_at using errcode = 'CF002';
    end if;
    if (new.state = 'paid') <> (new.payment_id is not null) then
        raise 'commission % is paid by a payment, and by one alone', new.id using errcode = 'CF002';
    end if;
    return new;
end $function$

commission_is_reversed(): CREATE OR REPLACE FUNCTION public.commission_is_reversed()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
declare
    c commission;
begin
    select * into c from commission where id = new.commission_id for update;
    if new.number <> 1 + (select count(*) from commission_reversal r where r.commission_id = c.id) or new.program_id <> c.program_id
       or new.state <> c.state
       or c.taken_back + new.amount <> c.amount - coalesce((commission_due(c.sale_id, true))[c.level], 0) then
        raise 'commission %: this is not what refunds took back of it', c.id using errcode = 'CF002';
    end if;
    update commission set taken_back = taken_back + new.amount where id = c.id;
    return new;
end $function$

commission_payment_is_whole(): CREATE OR REPLACE FUNCTION public.commission_payment_is_whole()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    if new.earned <> coalesce((select sum(c.paid) from commission c where c.payment_id = new.id and c.state = 'paid'
                               and (c.program_id, c.affiliate_id, c.asset) = (new.program_id, new.affiliate_id, new.asset)
                               and c.paid = c.amount - c.taken_back), 0) then
        raise 'payment % is not the sum of its commissions', new.id using errcode = 'CF002';
    end if;
    return null;
end $function$

commission_payment_nets(): CREATE OR REPLACE FUNCTION public.commission_payment_nets()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    perform from affiliate where id = new.affiliate_id for update;  -- of two payments at once the later sees the earlier
    if new.netted <> commission_carried(new.affiliate_id, new.asset)
       or new.amount < (select r.minimum from commission_rate r join affiliate a on a.id = new.affiliate_id and a.state = 'active'
                        where (r.program_id, r.asset, r.version) = (new.program_id, new.asset, new.rate_version)) then
        raise 'a payment nets % of affiliate %, and reaches the minimum', commission_carried(new.affiliate_id, new.asset), new.affiliate_id
            using errcode = 'CF002';
    end if;
    return new;
end $function$

commission_rates_within_cap(): CREATE OR REPLACE FUNCTION public.commission_rates_within_cap()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    if (select sum(bps) from unnest(new.levels) as l (bps)) > new.cap_bps then
        raise 'all levels together are at most % basis points', new.cap_bps using errcode = 'CF002';
    end if;
    return new;
end $function$

commission_sale_is_true(): CREATE OR REPLACE FUNCTION public.commission_sale_is_true()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    if not exists (
        select from sale s join commission_rate r on (r.program_id, r.asset, r.version) = (s.program_id, s.asset, new.rate_version)
        join referral f on (f.program_id, f.customer_id) = (s.program_id, s.customer_id)
        where s.id = new.id and f.at <= s.at and r.version = commission_version_at(s.program_id, s.asset, s.at)
          and (s.program_id, s.customer_id, s.asset, s.gross, s.platform_fee, s.at) =
              (new.program_id, new.customer_id, new.asset, new.gross, new.platform_fee, new.at)
          and (r.base, r.mode, r.levels) = (new.base_kind, new.mode, new.levels)
          and new.path = (affiliate_path_at(f.affiliate_id, s.at))[1:cardinality(r.levels)]
          and new.earns = commission_earners(new.path, s.customer_id, s.at)) then
        raise 'sale %: it was not referred so, or other rates were in force', new.id using errcode = 'CF002';
    end if;
    return new;
end $function$

commission_shares(bigint,integer[],text): CREATE OR REPLACE FUNCTION public.commission_shares(base bigint, levels integer[], mode text)
 RETURNS bigint[]
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO 'public', 'pg_temp'
RETURN (WITH level AS (SELECT u.n, u.bps FROM unnest(commission_shares.levels) WITH ORDINALITY u(bps, n)), pot AS (SELECT div(((commission_shares.base)::numeric * (sum(level.bps))::numeric), (10000)::numeric) AS minor, sum(level.bps) AS bps FROM level), part AS (SELECT l.n, CASE commission_shares.mode WHEN 'rates'::text THEN div(((commission_shares.base)::numeric * (l.bps)::numeric), (10000)::numeric) ELSE div((p.minor * (l.bps)::numeric), (p.bps)::numeric) END AS whole, CASE commission_shares.mode WHEN 'rates'::text THEN (0)::numeric ELSE mod((p.minor * (l.bps)::numeric), (p.bps)::numeric) END AS rest FROM (level l CROSS JOIN pot p)), ranked AS (SELECT part.n, part.whole, row_number() OVER (ORDER BY part.rest DESC, part.n) AS place FROM part) SELECT array_agg(((ranked.whole + (CASE WHEN ((commission_shares.mode = 'pool'::text) AND ((ranked.place)::numeric <= ((SELECT pot.minor FROM pot) - (SELECT sum(part.whole) AS sum FROM part)))) THEN 1 ELSE 0 END)::numeric))::bigint ORDER BY ranked.n) AS array_agg FROM ranked)

commission_version_at(text,text,timestamp with time zone): CREATE OR REPLACE FUNCTION public.commission_version_at(program text, of_asset text, moment timestamp with time zone)
 RETURNS integer
 LANGUAGE sql
 STABLE
 SET search_path TO 'public', 'pg_temp'
RETURN (SELECT r.version FROM commission_rate r WHERE (((r.program_id = commission_version_at.program) AND (r.asset = commission_version_at.of_asset)) AND (r.effective_at <= commission_version_at.moment)) ORDER BY r.effective_at DESC, r.version DESC LIMIT 1)

conflict_keeps_its_word(): CREATE OR REPLACE FUNCTION public.conflict_keeps_its_word()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    if tg_op = 'UPDATE' then
        if (new.id, new.provider_payout_id, new.number, new.said, new.expected, new.fact, new.at)
            is not distinct from (old.id, old.provider_payout_id, old.number, old.said, old.expected, old.fact, old.at) then
            return new;
        end if;
    end if;
    raise exception 'provider_conflict keeps what was said: % is refused', lower(tg_op) using errcode = 'CF001';
end $function$

customer_debt_is_paid_with_what_is_there(): CREATE OR REPLACE FUNCTION public.customer_debt_is_paid_with_what_is_there()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    perform lock_payments(array[new.payment_id]);
    if not exists (select from payment p where p.id = new.payment_id
                   and (p.program_id, p.asset, p.provider, p.charge_id) = (new.program_id, new.asset, new.provider, new.reference))
       or new.amount > coalesce(payment_unused(new.payment_id), 0) then
        raise 'payment % has not so much for this debt', new.payment_id using errcode = 'CF002';
    end if;
    return new;
end $function$

deliver_events(): CREATE OR REPLACE FUNCTION public.deliver_events()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    if not exists (select from webhook_endpoint where state in ('enabled', 'disabled')) then
        return null;
    end if;
    with made as (
        insert into webhook_delivery (id, endpoint_id, event_id, program_id, created_at, state, state_at, due_at)
        select delivery_id(e.at, w.id, e.id), w.id, e.id, coalesce(w.program_id, ''), e.at,
               case w.state when 'enabled' then 'due' else 'kept' end, e.at, case w.state when 'enabled' then e.at end
        from emitted e join webhook_endpoint w on w.state in ('enabled', 'disabled')
        where is_told(w.program_id, w.events, w.min_level, e.program_id, e.name, e.level, e.subject_id)
        returning id, state, created_at)
    insert into step (machine, subject_id, step, from_state, verb, to_state, actor, at)
    select 'delivery', id, 1, '', 'create', state, 'system', created_at from made;
    if found then
        perform pg_notify('counterfoil_deliveries', '');
    end if;
    return null;
end $function$

delivery_id(timestamp with time zone,text,text): CREATE OR REPLACE FUNCTION public.delivery_id(moment timestamp with time zone, endpoint text, event text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO 'public', 'pg_temp'
RETURN (('whd_'::text || (SELECT string_agg(substr('0123456789ABCDEFGHJKMNPQRSTVWXYZ'::text, (((((floor((EXTRACT(epoch FROM (delivery_id.moment AT TIME ZONE 'UTC'::text)) * (1000)::numeric)))::bigint >> (5 * digit.digit)) & (31)::bigint))::integer + 1), 1), ''::text ORDER BY digit.digit DESC) AS string_agg FROM generate_series(0, 9) digit(digit))) || upper("left"(encode(sha256(convert_to(((endpoint || ' '::text) || event), 'UTF8'::name)), 'hex'::text), 16)))

drill_passes_by_its_checks(): CREATE OR REPLACE FUNCTION public.drill_passes_by_its_checks()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    if new.state = 'passed' and old.state <> 'passed'
       and not coalesce((select bool_and(outcome = 'passed') from drill_check where drill_id = new.id), false) then
        raise 'drill % has checks that did not pass', new.id using errcode = 'check_violation', constraint = 'drill_passes_by_its_checks';
    end if;
    return new;
end $function$

enter_program(text,boolean,integer): CREATE OR REPLACE FUNCTION public.enter_program(program text, alone boolean, postings_max integer, OUT clock_ms bigint, OUT closed_until_us bigint, OUT version bigint, OUT incarnation text, OUT assets text[], OUT books integer[], OUT segment integer, OUT segment_seq bigint)
 RETURNS record
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
declare
    written program_segment;
begin
    if alone then
        perform pg_advisory_xact_lock(program_lock(program));
    else
        perform pg_advisory_xact_lock_shared(program_lock(program));
    end if;
    clock_ms := extract(epoch from clock_timestamp()) * 1000;
    select * into written from program_segment s where s.program_id = program order by s.segment desc limit 1;
    if alone and written.postings >= segment_size() then
        insert into program_segment values (program, written.segment + 1, greatest(written.first_seq, clock_ms << 20), postings_max)
        returning * into written;
    elsif alone then
        update program_segment s set postings = s.postings + postings_max where s.program_id = program and s.segment = written.segment;
    end if;
    segment := written.segment;
    segment_seq := written.first_seq;
    version := coalesce(pg_sequence_last_value(program_version(program)), 0);
    incarnation := pg_postmaster_start_time()::text || (select oid from pg_database where datname = current_database());
    select extract(epoch from closed_until) * 1000000 into closed_until_us
    from period_close where program_id = program order by step desc limit 1;
    select array_agg(b.asset order by b.id), array_agg(b.id order by b.id) into assets, books from book b where b.program_id = program;
end $function$

escrow_charged_back(text): CREATE OR REPLACE FUNCTION public.escrow_charged_back(escrow_asked text)
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO 'public', 'pg_temp'
RETURN (SELECT min(c.id) AS min FROM chargeback c WHERE ((c.state = 'open'::text) AND ((c.payment_id IN (SELECT m.payment_id FROM escrow_movement m WHERE (m.escrow_id = escrow_charged_back.escrow_asked))) OR (c.id IN (SELECT x.chargeback_id FROM ((chargeback_debt x JOIN customer_debt_entry d ON ((d.id = x.entry_id))) JOIN escrow e ON (((e.program_id = d.program_id) AND (e.customer_id = d.customer_id) AND (e.asset = d.asset)))) WHERE ((e.id = escrow_charged_back.escrow_asked) AND (escrow_lost(e.id) > 0)))))))

escrow_evidence_fits(): CREATE OR REPLACE FUNCTION public.escrow_evidence_fits()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    if not exists (
        select from escrow_condition c join escrow e on e.id = c.escrow_id
        where (c.escrow_id, c.number, c.program_id) = (new.escrow_id, new.condition, new.program_id)
          and case when new.score_micro is null then c.kind in ('signature', 'm_of_n') and new.actor = any (c.signers)
                   else c.kind = 'score' and new.source is not null end
          and e.state in ('pending', 'active', 'disputed')) then
        raise 'escrow %: this fulfils no condition of it', new.escrow_id using errcode = 'CF002';
    end if;
    return new;
end $function$

escrow_frozen_by(text): CREATE OR REPLACE FUNCTION public.escrow_frozen_by(escrow_asked text)
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO 'public', 'pg_temp'
RETURN (SELECT s.actor FROM step s WHERE ((s.machine = 'escrow'::text) AND (s.subject_id = escrow_frozen_by.escrow_asked) AND (s.verb = 'freeze'::text)) ORDER BY s.step DESC LIMIT 1)

escrow_is_born_empty(): CREATE OR REPLACE FUNCTION public.escrow_is_born_empty()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    if (new.funded, new.released, new.refunded, new.repaid, new.state) <> (0, 0, 0, 0, 'pending') then
        raise 'an escrow begins pending, with nothing in it' using errcode = 'CF002';
    end if;
    return new;
end $function$

escrow_lost(text): CREATE OR REPLACE FUNCTION public.escrow_lost(escrow_asked text)
 RETURNS bigint
 LANGUAGE sql
 STABLE
 SET search_path TO 'public', 'pg_temp'
RETURN (COALESCE((SELECT sum(x.amount) AS sum FROM (chargeback_escrow x JOIN chargeback c ON ((c.id = x.chargeback_id))) WHERE ((x.escrow_id = escrow_lost.escrow_asked) AND (c.state = 'lost'::text))), (0)::numeric) - COALESCE((SELECT sum(m.amount) AS sum FROM escrow_movement m WHERE ((m.escrow_id = escrow_lost.escrow_asked) AND (m.kind = ANY (ARRAY['charge_back'::text, 'set_off'::text])))), (0)::numeric))

escrow_moves(): CREATE OR REPLACE FUNCTION public.escrow_moves()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
declare
    e    escrow;
    held bigint;
    cb   text;
begin
    if new.payment_id is not null then  -- before the escrow, as everywhere
        perform lock_payments(array[new.payment_id]);
    end if;
    select * into e from escrow where id = new.escrow_id for update;
    held := e.funded - e.released - e.refunded;
    cb := escrow_charged_back(e.id);
    if new.number <> 1 + (select count(*) from escrow_movement m where m.escrow_id = new.escrow_id) or new.program_id <> e.program_id then
        raise 'the movements of escrow % follow one another', e.id using errcode = 'CF002';
    end if;
    if new.kind in ('release', 'refund', 'expire', 'repay', 'charge_back', 'set_off') and cb is not null then
        raise 'chargeback % of money that funded escrow % is open: nothing leaves it until the bank has decided', cb, e.id
            using errcode = 'CF002';
    elsif new.kind = 'release' and (
        new.by_ruling and e.state <> 'disputed' or not new.by_ruling and (
            e.state <> 'active' or new.at >= e.expires_at or exists (select from escrow_standing(e.id, new.at) c where not c.holds))) then
        raise 'escrow % is not released: it is %, expires at %, or a condition of it does not hold', e.id, e.state, e.expires_at
            using errcode = 'CF002';
    elsif new.kind = 'refund' and not (case when new.by_ruling then e.state = 'disputed' else e.state in ('pending', 'active') end) then
        raise 'escrow % is not refunded: it is %', e.id, e.state using errcode = 'CF002';
    elsif new.kind = 'expire' and (e.state not in ('pending', 'active') or new.at < e.expires_at or new.amount <> held) then
        raise 'escrow % does not expire: it is %, until %', e.id, e.state, e.expires_at using errcode = 'CF002';
    elsif new.kind = 'fund' and (e.state <> 'pending' or new.at >= e.expires_at or new.amount > e.amount - e.funded) then
        raise 'escrow % takes no more: it is %, until %', e.id, e.state, e.expires_at using errcode = 'CF002';
    elsif new.kind in ('release', 'refund', 'expire', 'charge_back') and new.amount > held then
        raise 'escrow % holds %', e.id, held using errcode = 'CF002';
    elsif new.kind in ('charge_back', 'set_off') and new.amount > escrow_lost(e.id) then
        raise 'of escrow % banks have taken % that it has not given', e.id, escrow_lost(e.id) using errcode = 'CF002';
    elsif new.kind in ('repay', 'set_off') and new.amount > e.refunded - e.repaid then
        raise 'escrow % owes its customer %', e.id, e.refunded - e.repaid using errcode = 'CF002';
    end if;
    if new.payment_id is not null and (
        not exists (select from payment p where p.id = new.payment_id and (p.program_id, p.asset, p.provider, p.charge_id)
                    = (e.program_id, e.asset, new.provider, new.reference)) or new.amount > coalesce(payment_unused(new.payment_id), 0)) then
        raise 'payment % has not so much for escrow %', new.payment_id, e.id using errcode = 'CF002';
    end if;
    update escrow
    set funded = funded + case when new.kind = 'fund' then new.amount else 0 end,
        released = released + case when new.kind = 'release' then new.amount else 0 end,
        refunded = refunded + case when new.kind in ('refund', 'expire', 'charge_back') then new.amount else 0 end,
        repaid = repaid + case when new.kind in ('repay', 'charge_back', 'set_off') then new.amount else 0 end
    where id = e.id;
    return new;
end $function$

escrow_standing(text,timestamp with time zone): CREATE OR REPLACE FUNCTION public.escrow_standing(escrow_asked text, moment timestamp with time zone)
 RETURNS TABLE(number integer, kind text, reached bigint, holds boolean)
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    return query
    select c.number, c.kind, f.reached, case c.kind when 'time' then moment >= c.not_before
                                                   when 'signature' then f.reached >= c.needed
                                                   when 'm_of_n' then f.reached >= c.needed
                                                   else f.reached >= c.least_micro end
    from escrow_condition c
    join escrow e on e.id = c.escrow_id
    cross join lateral (
        select case c.kind
            when 'time' then 0
            when 'usage' then coalesce((
                select sum(u.quantity_micro) from usage_record u
                where (u.program_id, u.customer_id, u.payee_id) = (e.program_id, e.customer_id, e.payee_id)
                  and u.occurred_at >= e.created_at and u.occurred_at <= moment), 0)
            when 'score' then coalesce((  -- the last word counts
                select v.score_micro from escrow_evidence v
                where v.escrow_id = e.id and v.condition = c.number and v.at <= moment order by v.at desc, v.id desc limit 1), -1)
            else (select count(distinct v.actor) from escrow_evidence v
                  where v.escrow_id = e.id and v.condition = c.number and v.actor = any (c.signers) and v.at <= moment)
        end::bigint as reached) f
    where c.escrow_id = escrow_asked
    order by c.number;
end $function$

fee_platform(numeric,text,integer,text): CREATE OR REPLACE FUNCTION public.fee_platform(base numeric, program text, of_version integer, of_asset text)
 RETURNS numeric
 LANGUAGE sql
 STABLE
 SET search_path TO 'public', 'pg_temp'
RETURN (SELECT CASE WHEN (fee_platform.base = (0)::numeric) THEN (0)::numeric ELSE LEAST(GREATEST((div((fee_platform.base * (r.platform_bps)::numeric), (10000)::numeric) + (COALESCE(l.fixed, (0)::bigint))::numeric), (COALESCE(l.minimum, (0)::bigint))::numeric), (COALESCE(l.maximum, '9223372036854775807'::bigint))::numeric) END AS "least" FROM (fee_rate r LEFT JOIN fee_limit l ON (((l.program_id = r.program_id) AND (l.version = r.version) AND (l.asset = fee_platform.of_asset)))) WHERE ((r.program_id = fee_platform.program) AND (r.version = fee_platform.of_version)))

fee_terms_look_ahead(): CREATE OR REPLACE FUNCTION public.fee_terms_look_ahead()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    if new.effective_at < (select recorded_at from fee_rate r where (r.program_id, r.version) = (new.program_id, new.version)) then
        raise 'rates hold from when they are recorded, or later: what was settled keeps its own' using errcode = 'CF002';
    end if;
    return new;
end $function$

fee_version_at(text,timestamp with time zone): CREATE OR REPLACE FUNCTION public.fee_version_at(program text, moment timestamp with time zone)
 RETURNS integer
 LANGUAGE sql
 STABLE
 SET search_path TO 'public', 'pg_temp'
RETURN (SELECT v.version FROM fee_version v WHERE ((v.program_id = fee_version_at.program) AND (v.effective_at <= fee_version_at.moment)) ORDER BY v.effective_at DESC, v.version DESC LIMIT 1)

given_on_a_chain(): CREATE OR REPLACE FUNCTION public.given_on_a_chain()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    if new.state in ('failed', 'cancelled') and new.state is distinct from old.state
       and (new.state = 'cancelled' or new.failed_by is distinct from 'provider')
       and exists (select from chain_order o where o.reference = new.id and not exists (
               select from chain_sighting s where s.key = o.key and s.state in ('final', 'taken')
               and s.number = (select max(number) from chain_sighting where key = o.key))) then
        raise exception 'the order of % is given on a chain, and is not over there', new.id
            using errcode = 'check_violation', constraint = 'provider_payout_is_given_on_a_chain';
    end if;
    return new;
end $function$

holds_were_inserted(): CREATE OR REPLACE FUNCTION public.holds_were_inserted()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
declare
    programs text[];
    moved    record;
begin
    select array_agg(distinct b.program_id) into programs from new_hold h join book b on b.id = h.debit >> 40;
    if programs is null then
        return null;
    end if;
    perform books_are_open(programs, null);
    with moved as (
        select account, total(debited) as debited, total(credited) as credited
        from (select debit as account, amount as debited, 0::bigint as credited from new_hold
              union all
              select credit, 0, amount from new_hold) as sides
        group by account
    ), updated as (
        update account a
        set debits_pending = a.debits_pending + m.debited, credits_pending = a.credits_pending + m.credited
        from moved m
        where a.id = m.account and not a.closed
          and not (a.frozen and case when a.debit_normal then m.credited else m.debited end > 0)
        returning a.id
    )
    select (select count(*) from moved) as asked, (select count(*) from updated) as done into moved;
    if moved.asked <> moved.done then
        perform refuse_accounts(array(select debit from new_hold), array(select credit from new_hold));
    end if;
    insert into open_hold (hold_id, debit, credit, amount, expires_at) select id, debit, credit, amount, expires_at from new_hold;
    return null;
end $function$

holds_were_resolved(): CREATE OR REPLACE FUNCTION public.holds_were_resolved()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
declare
    programs text[];
    wrong    record;
begin
    select array_agg(distinct b.program_id) into programs
    from new_resolution r join hold h on h.id = r.hold_id join book b on b.id = h.debit >> 40;
    if programs is null then
        return null;
    end if;
    perform books_are_open(programs, null);
    select h.id, r.amount > h.amount as too_much into wrong
    from new_resolution r
    join hold h on h.id = r.hold_id
    where r.amount > h.amount
       or (r.verb = 'post' and h.expires_at <= r.resolved_at)
       or (r.verb = 'expire' and (h.expires_at is null or h.expires_at > r.resolved_at))
    limit 1;
    if found then
        raise exception 'hold %', wrong.id || case when wrong.too_much then ' is smaller' else ': its time forbids this' end
            using errcode = 'CF112';
    end if;
    with gone as (
        delete from open_hold o using new_resolution r where o.hold_id = r.hold_id returning o.debit, o.credit, o.amount
    ), moved as (
        select account, total(debited) as debited, total(credited) as credited
        from (select debit as account, amount as debited, 0::bigint as credited from gone
              union all
              select credit, 0, amount from gone) as sides
        group by account
    ), updated as (
        update account a
        set debits_pending = a.debits_pending - m.debited, credits_pending = a.credits_pending - m.credited
        from moved m
        where a.id = m.account
    )
    select (select count(*) from gone) as done, (select count(*) from new_resolution) as asked into wrong;
    if wrong.done <> wrong.asked then
        raise exception 'a hold is resolved once' using errcode = 'CF113';
    end if;
    return null;
end $function$

is_of_a_peer(text,text): CREATE OR REPLACE FUNCTION public.is_of_a_peer(program text, account text)
 RETURNS boolean
 LANGUAGE sql
 STABLE
 SET search_path TO 'public', 'pg_temp'
RETURN (starts_with(account, 'clearing:'::text) AND (EXISTS (SELECT FROM two_phase_participant p WHERE ((p.peer IS NOT NULL) AND ((p.program_id = is_of_a_peer.program) AND (p.peer = substr(is_of_a_peer.account, 10)))))))

is_told(text,text[],text,text,text,text,text): CREATE OR REPLACE FUNCTION public.is_told(of_program text, names text[], from_level text, event_program text, event_name text, event_level text, subject text)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO 'public', 'pg_temp'
RETURN (((of_program IS NULL) OR (of_program = event_program)) AND ((cardinality(names) = 0) OR (event_name = ANY (names))) AND (array_position(ARRAY['debug'::text, 'info'::text, 'warning'::text, 'critical'::text], event_level) >= array_position(ARRAY['debug'::text, 'info'::text, 'warning'::text, 'critical'::text], from_level)) AND (subject !~ '^wh[ed]_'::text))

journals_were_inserted(): CREATE OR REPLACE FUNCTION public.journals_were_inserted()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
declare
    seen  record;
    wrong record;
begin
    select bool_or(b.id is null) as astray, bool_or(j.written_by <> pg_current_xact_id()) as dated, bool_or(j.reverses is not null) as reverses
    into seen
    from new_journal j
    left join book b on b.id = j.book_id and b.program_id = j.program_id;
    if seen.astray then
        raise exception 'a journal lies in a book of its program' using errcode = 'CF101';
    elsif seen.dated then
        raise exception 'a journal is written by the transaction that it names' using errcode = 'CF102';
    elsif seen.reverses then
        select j.id into wrong
        from new_journal j
        where j.reverses is not null
          and (select count(*) from posting p where p.journal_id = j.reverses and p.line = coalesce(j.reverses_line, p.line)
                                              and p.debit >> 40 = j.book_id) <> j.lines;
        if found then
            raise exception 'journal % does not reverse line by line', wrong.id using errcode = 'CF106';
        end if;
        insert into reversal (journal_id, line, reversed_by)
        select p.journal_id, p.line, j.id
        from new_journal j
        join posting p on p.journal_id = j.reverses and p.line = coalesce(j.reverses_line, p.line);
    end if;
    return null;
end $function$

keep_to_program(regclass,text,text): CREATE OR REPLACE FUNCTION public.keep_to_program(target regclass, seen text DEFAULT 'program_id = current_setting(''counterfoil.program'', true)'::text, written text DEFAULT NULL::text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    if exists (select from pg_policy where polrelid = target and polname = 'of_one_program') then
        return;
    end if;
    execute format('alter table %s enable row level security', target);
    execute format('create policy everybody on %s using (true)', target);
    execute format('create policy of_one_program on %s as restrictive to counterfoil_program
                    using (current_user <> ''counterfoil_program'' or (%s)) with check (current_user <> ''counterfoil_program'' or (%s))',
                   target, seen, coalesce(written, seen));
end $function$

key_of_secret(bytea,timestamp with time zone): CREATE OR REPLACE FUNCTION public.key_of_secret(hash bytea, at timestamp with time zone)
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO 'public', 'pg_temp'
RETURN (SELECT f.id FROM (SELECT api_key.id, 0 AS number FROM api_key WHERE (api_key.secret_hash = key_of_secret.hash) UNION ALL SELECT api_key_secret.api_key_id, api_key_secret.number FROM api_key_secret WHERE (api_key_secret.secret_hash = key_of_secret.hash)) f WHERE (NOT (EXISTS (SELECT FROM api_key_secret n WHERE ((n.api_key_id = f.id) AND (n.number > f.number) AND (n.before_until <= key_of_secret.at))))))

key_word(text): CREATE OR REPLACE FUNCTION public.key_word(key text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO 'public', 'pg_temp'
RETURN CASE WHEN (strpos(key, ':'::text) > 0) THEN split_part(key, ':'::text, 1) ELSE NULL::text END

keys_lie_in_their_spaces(): CREATE OR REPLACE FUNCTION public.keys_lie_in_their_spaces()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
declare
    wrong record;
begin
    select j.key into wrong
    from new_journal j join key_space s on s.word = key_word(j.key)
    where (s.kind is not null and j.kind <> s.kind)
       or (s.source_type is not null and j.source_type is distinct from s.source_type)
       or (s.word = 'reversal' and j.reverses is null)
    limit 1;
    if found then
        raise exception 'key % belongs to another writer', wrong.key using errcode = 'CF115';
    end if;
    return null;
end $function$

late_postings_were_marked(): CREATE OR REPLACE FUNCTION public.late_postings_were_marked()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    if exists (
        select from new_late l
        left join posting p on p.journal_id = l.journal_id and p.line = l.line
        left join journal j on j.id = l.journal_id
        where p.journal_id is null or l.occurred_at >= p.effective_at or j.written_by <> pg_current_xact_id()) then
        raise exception 'a posting is marked as late by who writes it, and happened before it is effective' using errcode = 'CF102';
    end if;
    return null;
end $function$

lock_accounts(text,text,text[]): CREATE OR REPLACE FUNCTION public.lock_accounts(program text, asset_code text, names text[])
 RETURNS SETOF account
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    return query
    select a.* from account a
    where a.book_id = (select b.id from book b where b.program_id = program and b.asset = asset_code) and a.name = any (names)
    order by a.id
    for no key update;
end $function$

lock_payments(text[]): CREATE OR REPLACE FUNCTION public.lock_payments(ids text[])
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    perform from payment where id = any (ids) order by id for update;
end $function$

log_has_no_gap(): CREATE OR REPLACE FUNCTION public.log_has_no_gap()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
declare
    seen record;
begin
    select min(n.index) as first, max(n.index) as last, count(*) as rows into seen from new_entry n;
    if seen.rows > 0 and (seen.last - seen.first + 1 <> seen.rows
                          or seen.first > 0 and not exists (select from log_entry e where e.index = seen.first - 1)) then
        raise exception 'the log is numbered without a gap' using errcode = 'CF390';
    end if;
    return null;
end $function$

log_key_has_ended(): CREATE OR REPLACE FUNCTION public.log_key_has_ended()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    if exists (select from log_key_change c where c.before_id = new.key_id and c.size < new.size) then
        raise exception 'a key of the log that has ended signs no checkpoint more' using errcode = 'CF390';
    end if;
    return null;
end $function$

log_key_is_agreed_on(): CREATE OR REPLACE FUNCTION public.log_key_is_agreed_on()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    if exists (select from log_key k where k.id <> new.id) and not exists (select from log_key_change c where c.key_id = new.id) then
        raise exception 'the key of the log is changed by a statement' using errcode = 'CF390';
    end if;
    return null;
end $function$

log_key_signs_twice(): CREATE OR REPLACE FUNCTION public.log_key_signs_twice()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    if exists (select from log_key_quantum q where q.key_id = new.key_id and q.size <= new.size) and new.note !~ E'\n\n— [^\n]+\n— [^\n]+\n$' then
        raise exception 'a key of the log that signs with ML-DSA-44 signs no checkpoint without it' using errcode = 'CF390';
    end if;
    return null;
end $function$

make_append_only(regclass): CREATE OR REPLACE FUNCTION public.make_append_only(target regclass)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
declare
    triggers constant jsonb := '{"is_append_only": "update or delete", "is_not_truncated": "truncate"}';
    trigger_name text;
    happening    text;
begin
    for trigger_name, happening in select key, value from jsonb_each_text(triggers) loop
        execute format('create trigger %I before %s on %s for each statement execute function refuse_change()',
                       trigger_name, happening, target);
        execute format('alter table %s enable always trigger %I', target, trigger_name);
    end loop;
end $function$

make_confidential(regclass,text[]): CREATE OR REPLACE FUNCTION public.make_confidential(target regclass, VARIADIC columns text[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
declare
    named    constant text := (select relname from pg_class where oid = target);
    in_clear constant text := (select string_agg(format('new.%I is not null', one), ' or ') from unnest(columns) one);
    one      text;
begin
    execute format('alter table %s add column envelope bytea constraint %I check (length(envelope) >= 32)', target,
                   named || '_envelope_is_whole');
    foreach one in array columns loop
        execute format('alter table %s alter column %I drop not null, alter column %I drop default', target, one, one);
    end loop;
    execute format('create index %I on %s (substr(envelope, 1, 4))', named || '_by_encryption_key', target);
    execute format('create trigger is_encrypted before insert on %s for each row when (new.envelope is null or %s)
                    execute function refuse_clear()', target, in_clear);
    execute format('create trigger is_encrypted_anew before update of envelope, %s on %s for each row
                    when (new.envelope is null or %s) execute function refuse_clear()',
                   (select string_agg(quote_ident(c), ', ') from unnest(columns) c), target, in_clear);
    if exists (select from pg_trigger where tgrelid = target and tgname = 'is_append_only') then
        execute format('drop trigger is_append_only on %s', target);
        execute format('create trigger is_append_only before delete or update of %s on %s for each statement execute function refuse_change()',
                       (select string_agg(quote_ident(a.attname), ', ' order by a.attnum) from pg_attribute a
                        where a.attrelid = target and a.attnum > 0 and not a.attisdropped and a.attname <> all (columns || 'envelope'::text)),
                       target);
        execute format('alter table %s enable always trigger is_append_only', target);
    else
        perform make_fixed(target, 'envelope');
    end if;
    perform make_secret(target, variadic columns);
end $function$

make_fixed(regclass,text[]): CREATE OR REPLACE FUNCTION public.make_fixed(target regclass, VARIADIC columns text[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
declare
    one text;
begin
    foreach one in array columns loop
        execute format('comment on column %s.%I is %L', target, one, concat_ws('; ', 'app: select, insert', (
            select substring(col_description(a.attrelid, a.attnum) from 'auditor: none')
            from pg_attribute a where a.attrelid = target and a.attname = one)));
    end loop;
end $function$

make_once(regclass,text[]): CREATE OR REPLACE FUNCTION public.make_once(target regclass, VARIADIC columns text[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
declare
    relation constant text := (select relname from pg_class where oid = target);
    one      text;
begin
    foreach one in array columns loop
        execute format('create trigger %1$I before update of %2$I on %3$s for each row
                        when (old.%2$I is not null and new.%2$I is distinct from old.%2$I)
                        execute function refuse_another_value(%4$L)', relation || '_once_' || one, one, target, one);
    end loop;
end $function$

make_paired(regclass,text,text,text,text,text,text): CREATE OR REPLACE FUNCTION public.make_paired(target regclass, machine text, verb text, guarded text, subject text, fits text, unless text DEFAULT 'false'::text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
declare
    named constant text := format('two_people_%s_%s', machine, verb);
begin
    execute format('create constraint trigger %I after insert on %s deferrable initially deferred for each row when (%s)
                    execute function two_people(%L, %L, %L, %L, %L)', named, target, guarded, machine, verb, subject, fits, unless);
    execute format('alter table %s enable always trigger %I', target, named);
end $function$

make_sealed(regclass,text[]): CREATE OR REPLACE FUNCTION public.make_sealed(target regclass, columns text[] DEFAULT NULL::text[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
declare
    relation constant text := (select relname from pg_class where oid = target);
    key      constant text[] := array(
        select a.attname from pg_index i
        cross join unnest(i.indkey) with ordinality as k (attnum, place)
        join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
        where i.indrelid = target and i.indisprimary order by k.place);
    chosen   constant text[] := coalesce(columns, array(
        select a.attname from pg_attribute a
        where a.attrelid = target and a.attnum > 0 and not a.attisdropped
          and (not exists (select from pg_description d
                           where d.objoid = target and d.classoid = 'pg_class'::regclass and d.description like '%app: select, insert%' and d.objsubid > 0)
               or col_description(target, a.attnum) like '%app: select, insert%')
        order by a.attnum));
    inserts  constant text := (
        select format('insert into seal (relation, row_id, sha256) select %L, %s, %s from ', relation, e.row_id, e.sha256)
        from seal_expressions(key, chosen) e);
begin
    insert into sealed_relation values (relation, key, chosen);
    execute inserts || format('%s n', target);
    execute format($f$
        create function %I() returns trigger language plpgsql security definer
            set search_path = public, pg_temp set timezone = 'UTC' set datestyle = 'ISO, YMD' set bytea_output = 'hex' as $t$
        begin
            %s new_row n;
            return null;
        end $t$ $f$, 'seal_' || relation, inserts);
    execute format('create trigger is_sealed after insert on %s referencing new table as new_row for each statement execute function %I()',
                   target, 'seal_' || relation);
    execute format('alter table %s enable always trigger is_sealed', target);
end $function$

make_secret(regclass,text[]): CREATE OR REPLACE FUNCTION public.make_secret(target regclass, VARIADIC columns text[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
declare
    one text;
begin
    foreach one in array columns loop
        execute format('comment on column %s.%I is %L', target, one, concat_ws('; ', (
            select substring(col_description(a.attrelid, a.attnum) from 'app: [a-z, ]+')
            from pg_attribute a where a.attrelid = target and a.attname = one), 'auditor: none'));
    end loop;
end $function$

make_stateful(regclass,text): CREATE OR REPLACE FUNCTION public.make_stateful(target regclass, machine text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    execute format('alter table %s add column state text not null, add column state_at timestamptz not null,
                    add column steps integer not null default 1', target);
    execute format('create index %I on %s (state, id)', machine || '_by_state', target);
    execute format('create trigger %I before update of state on %s for each row execute function state_follows_table(%L)',
                   machine || '_follows_table', target, machine);
end $function$

make_workable(regclass): CREATE OR REPLACE FUNCTION public.make_workable(target regclass)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
declare
    named constant text := (select relname from pg_class where oid = target);
begin
    execute format('alter table %s add column due_at timestamptz, add column attempt integer not null default 0,
                    add column lease_owner text, add column lease_until timestamptz, add column fence bigint not null default 0,
                    add column last_error text', target);
    execute format('create index %I on %s (due_at, id) where due_at is not null', named || '_due', target);
end $function$

mandate_refuses(text,integer,timestamp with time zone,bigint,integer): CREATE OR REPLACE FUNCTION public.mandate_refuses(txn text, participant integer, moment timestamp with time zone, upto bigint DEFAULT '9223372036854775807'::bigint, mandates integer DEFAULT 2147483647)
 RETURNS text
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'public', 'pg_temp'
AS $function$
declare
    p      two_phase_participant;
    m      agent_mandate;
    c      record;
    span   text;
    most   bigint;
    spent  bigint;
    named  boolean := false;
    whom   text;
begin
    select * into p from two_phase_participant where (transaction_id, number) = (txn, participant);
    if p.side is distinct from 'debit' or p.agent_id is null then
        return null;
    end if;
    for c in
        select null::text as other, p.amount as amount
        union all
        select q.agent_id, least(p.amount, q.amount) from two_phase_participant q
        where (q.transaction_id, q.asset, q.side) = (p.transaction_id, p.asset, 'credit') and q.agent_id is not null
        order by 1 nulls first
    loop
        select * into m from agent_mandate a
        where a.agent_id = p.agent_id and a.asset = p.asset and a.counterparty_id is not distinct from c.other
              and a.number <= mandates
        order by a.number desc limit 1;
        whom := case when c.other is null then '' else ' towards ' || c.other end;
        if m.id is null or m.revoked or m.expires_at <= moment then
            if c.other is null then
                return format('it has no mandate in %s', p.asset);
            elsif named then
                return format('its mandate in %s does not name %s', p.asset, c.other);
            end if;
            continue;
        end if;
        if c.other is null then
            named := m.towards = 'named';
        end if;
        if c.amount > m.per_transaction then
            return format('its mandate allows %s in a transaction%s, and this is %s', told_amount(m.per_transaction, p.asset), whom, told_amount(c.amount, p.asset));
        end if;
        foreach span in array array['hour', 'day', 'week', 'month'] loop
            most := case span when 'hour' then m.per_hour when 'day' then m.per_day when 'week' then m.per_week else m.per_month end;
            continue when most is null;
            spent := agent_spent(p.agent_id, p.asset, c.other, date_trunc(span, moment, 'UTC'), upto, txn);
            if spent + c.amount > most then
                return format('its mandate allows %s in each %s%s, %s is spent, and this is %s',
                              told_amount(most, p.asset), span, whom, told_amount(spent, p.asset), told_amount(c.amount, p.asset));
            end if;
        end loop;
    end loop;
    if named and exists (
        select from two_phase_participant q where (q.transaction_id, q.asset, q.side) = (p.transaction_id, p.asset, 'credit') and q.peer is not null) then
        return format('its mandate in %s names nobody of another server', p.asset);
    end if;
    return null;
end $function$

money_in_transit_is_not_reversed(): CREATE OR REPLACE FUNCTION public.money_in_transit_is_not_reversed()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    if exists (select from journal j join key_space s on s.word = key_word(j.key) where j.id = new.reverses and not s.is_reversible) then
        raise 'journal % is of money in transit: its payout undoes it', new.reverses using errcode = 'CF117';
    end if;
    return new;
end $function$

newest_postings(bigint,bigint,integer): CREATE OR REPLACE FUNCTION public.newest_postings(account_id bigint, before_seq bigint, rows_max integer)
 RETURNS SETOF posting
 LANGUAGE plpgsql
 STABLE ROWS 1
 SET search_path TO 'public', 'pg_temp'
AS $function$
declare
    segments  constant integer[] := segments_between(
        account_id, 0, least(before_seq, (select a.last_seq + 1 from account a where a.id = account_id)));
    last      integer := cardinality(segments);
    many      integer := 1;
    found_now integer;
    wanted    integer := rows_max;
begin
    while last > 0 and wanted > 0 loop
        return query
        select * from (
            select p.* from unnest(segments[greatest(last - many + 1, 1):last]) as s (number), lateral (
                select * from posting p where p.segment = s.number and p.debit = account_id and p.seq < before_seq
                order by p.seq desc limit wanted) p
            union all
            select p.* from unnest(segments[greatest(last - many + 1, 1):last]) as s (number), lateral (
                select * from posting p where p.segment = s.number and p.credit = account_id and p.seq < before_seq
                order by p.seq desc limit wanted) p
        ) p order by p.seq desc limit wanted;
        get diagnostics found_now = row_count;
        wanted := wanted - found_now;
        last := last - many;
        many := least(4 * many, 256);
    end loop;
end $function$

nobody_refers_himself(): CREATE OR REPLACE FUNCTION public.nobody_refers_himself()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    if exists (select from affiliate a where a.id = new.affiliate_id and new.customer_id in (a.id, a.name)) then
        raise 'an affiliate does not refer itself: %', new.customer_id using errcode = 'CF002';
    end if;
    return new;
end $function$

note_moment(): CREATE OR REPLACE FUNCTION public.note_moment()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    new.written_at := clock_timestamp();
    return new;
end $function$

note_transaction(): CREATE OR REPLACE FUNCTION public.note_transaction()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    new.written_by := pg_current_xact_id();
    return new;
end $function$

overpayment_is_repaid_whole(): CREATE OR REPLACE FUNCTION public.overpayment_is_repaid_whole()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    if new.amount is distinct from overpayment_left(new.overpayment_id) then
        raise 'overpayment %: % is owed back, not %', new.overpayment_id, overpayment_left(new.overpayment_id), new.amount
            using errcode = 'CF002';
    end if;
    return new;
end $function$

overpayment_left(text): CREATE OR REPLACE FUNCTION public.overpayment_left(of_overpayment text)
 RETURNS bigint
 LANGUAGE sql
 STABLE
 SET search_path TO 'public', 'pg_temp'
AS $function$
    select (o.amount - coalesce((select sum(c.excess) from chargeback c where c.payment_id = o.payment_id and c.state <> 'won'), 0)
                     - coalesce((select r.amount from overpayment_repayment r where r.overpayment_id = o.id), 0))::bigint
    from overpayment o where o.id = of_overpayment
$function$

paired_steps_are_approved(): CREATE OR REPLACE FUNCTION public.paired_steps_are_approved()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
declare
    lacking record;
begin
    select s.machine, s.subject_id, s.verb into lacking
    from new_step s join transition t using (machine, from_state, verb, to_state)
    where t.needs_pair and not exists (
        select from approval_use u where (u.machine, u.subject_id, u.verb, u.step) = (s.machine, s.subject_id, s.verb, s.step))
    limit 1;
    if found then
        raise '%: % of % needs the approval of a second person', lacking.machine, lacking.verb, lacking.subject_id using errcode = 'CF360';
    end if;
    return null;
end $function$

payee_account_closes_when_nothing_is_on_its_way(): CREATE OR REPLACE FUNCTION public.payee_account_closes_when_nothing_is_on_its_way()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
declare
    wrong record;
begin
    -- Alone in the program: whoever reserves money at this moment has ended, and whoever comes later finds the account closed.
    perform pg_advisory_xact_lock(program_lock(b.program_id)) from book b where b.id = new.account_id >> 40;
    select a.name, p.id into wrong
    from account a
    join book b on b.id = a.book_id
    join payout p on p.program_id = b.program_id and p.asset = b.asset and p.payee_id = substring(a.name from '^[a-z]+:payee:(.*)$')
    where a.id = new.account_id and p.state in ('processing', 'reconcile_required')
    limit 1;
    if found then
        raise exception 'account % is needed: payout % is on its way', wrong.name, wrong.id using errcode = 'CF114';
    end if;
    return new;
end $function$

payment_file_is_fixed(): CREATE OR REPLACE FUNCTION public.payment_file_is_fixed()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    if (new.id, new.provider, new.program_id, new.asset, new.orders, new.amount, new.sha256, new.execute_on, new.created_at)
       is distinct from (old.id, old.provider, old.program_id, old.asset, old.orders, old.amount, old.sha256, old.execute_on, old.created_at)
       or (old.downloaded_at is not null and new.downloaded_at is distinct from old.downloaded_at) then
        raise exception 'a file of payments is never changed: %', old.id using errcode = 'CF001';
    end if;
    return new;
end $function$

payment_unused(text): CREATE OR REPLACE FUNCTION public.payment_unused(payment_asked text)
 RETURNS bigint
 LANGUAGE sql
 STABLE
 SET search_path TO 'public', 'pg_temp'
RETURN (SELECT (((((p.amount)::numeric - COALESCE((SELECT sum(m.amount) AS sum FROM escrow_movement m WHERE (m.payment_id = p.id)), (0)::numeric)) - COALESCE((SELECT sum(d.amount) AS sum FROM customer_debt_entry d WHERE (d.payment_id = p.id)), (0)::numeric)) - (COALESCE((SELECT r.amount FROM unidentified_repayment r WHERE (r.payment_id = p.id)), (0)::bigint))::numeric) - COALESCE((SELECT sum(chargeback_of_unused(c.id)) AS sum FROM chargeback c WHERE ((c.payment_id = p.id) AND (c.state <> 'won'::text))), (0)::numeric)) FROM payment p WHERE ((p.id = payment_unused.payment_asked) AND (p.invoice_id IS NULL)))

payout_batch_digest(text): CREATE OR REPLACE FUNCTION public.payout_batch_digest(batch text)
 RETURNS bytea
 LANGUAGE sql
 STABLE
 SET search_path TO 'public', 'pg_temp'
RETURN (SELECT sha256(convert_to(COALESCE(string_agg((jsonb_build_array(l.number, l.payout_id, l.payee_id, l.destination_id, l.provider, l.asset, (l.amount)::text))::text, '
'::text ORDER BY l.number), ''::text), 'UTF8'::name)) AS sha256 FROM payout_batch_line l WHERE ((l.batch_id = payout_batch_digest.batch) AND (l.removed_at IS NULL)))

payout_batch_is_approved_rightly(): CREATE OR REPLACE FUNCTION public.payout_batch_is_approved_rightly()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
declare newest payout_policy; total bigint; needed integer;
begin
    if new.sha256 is distinct from payout_batch_digest(new.id) then
        raise 'the lines of batch % are not those that were frozen', new.id using errcode = 'CF382';
    end if;
    select coalesce(sum(l.amount), 0)::bigint into total from payout_batch_line l where l.batch_id = new.id and l.removed_at is null;
    select q.* into newest from payout_policy q where (q.program_id, q.asset) = (new.program_id, new.asset) order by q.version desc limit 1;
    if new.by_rule and (newest.version is null or total > newest.by_rule_max) then
        raise 'batch % is not approved by rule', new.id using errcode = 'CF360';
    end if;
    select max(tier.approvers) into needed
    from unnest(newest.tiers_above, newest.tiers_approvers) as tier (above, approvers) where total > tier.above;
    needed := greatest(new.approvers, needed, 1);
    if not new.by_rule and needed > (
        select count(*) from payout_batch_approval a where (a.batch_id, a.round, a.sha256) = (new.id, new.round, new.sha256)) then
        raise 'batch % takes the approval of % people', new.id, needed using errcode = 'CF360';
    end if;
    return new;
end $function$

payout_batch_lines_are_frozen(): CREATE OR REPLACE FUNCTION public.payout_batch_lines_are_frozen()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    if not exists (select from payout_batch b where b.id = new.batch_id and b.state = 'draft') then
        raise 'the lines of batch % are frozen', new.batch_id using errcode = 'CF380';
    end if;
    return new;
end $function$

period_reopens_as_approved(): CREATE OR REPLACE FUNCTION public.period_reopens_as_approved()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    if to_regclass('approval_decision') is null then
        raise exception 'a period is reopened by two people, and nobody can approve here' using errcode = 'CF116';
    elsif exists (
        select from approval_proposal p
        join approval_decision d on d.proposal_id = p.id and d.decision = 'approved' and d.checker_id <> p.maker_id
        where p.id = new.approval_id and p.machine = 'period' and p.verb = 'reopen' and p.subject_id = new.program_id
          and (p.payload ->> 'until')::timestamptz = new.closed_until) then
        return new;
    end if;
    raise exception 'a period is reopened by two people, who approve exactly that' using errcode = 'CF116';
end $function$

period_was_closed(): CREATE OR REPLACE FUNCTION public.period_was_closed()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
declare
    before record;
begin
    perform pg_advisory_xact_lock(program_lock(new.program_id)); -- alone: wait for everybody who writes
    select step, closed_until into before from period_close where program_id = new.program_id order by step desc limit 1;
    if new.step <> coalesce(before.step, 0) + 1 then
        raise exception 'periods are closed one after another' using errcode = 'CF002';
    elsif (new.verb = 'close') <> (before is null or new.closed_until > before.closed_until) then
        raise exception 'closing moves the limit on, reopening moves it back' using errcode = 'CF002';
    end if;
    new.recorded_at := greatest(clock_timestamp(), (  -- a clock that was set back must not make older postings look newer
        select to_timestamp((max(a.last_seq) >> 20) / 1000.0)
        from account a join book b on b.id = a.book_id where b.program_id = new.program_id));
    return new;
end $function$

postings_between(bigint,bigint,bigint,integer): CREATE OR REPLACE FUNCTION public.postings_between(account_id bigint, from_seq bigint, end_seq bigint, rows_max integer)
 RETURNS SETOF posting
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'public', 'pg_temp'
AS $function$
declare
    newest    constant bigint := (select a.last_seq from account a where a.id = account_id);
    segments  constant integer[] := segments_between(account_id, from_seq, least(end_seq, newest + 1));
    first     integer := 1;
    last      integer := least(cardinality(segments), cardinality(segments_between(account_id, from_seq, from_seq + 1)));  -- begun by then
    many      integer := 1;
    stood     integer;
    found_now integer;
    wanted    integer := rows_max;
begin
    while last > 1 and stood is null and newest >= from_seq loop
        select max(s.number) into stood
        from unnest(segments[greatest(last - many + 1, 1):last]) as s (number), lateral (
            (select from posting p where p.segment = s.number and p.debit = account_id and p.seq < from_seq limit 1)
            union all
            (select from posting p where p.segment = s.number and p.credit = account_id and p.seq < from_seq limit 1)) p;
        first := coalesce(stood - segments[1] + 1, first);
        last := last - many;
        many := least(4 * many, 256);
    end loop;
    many := 1;
    while first <= cardinality(segments) and wanted > 0 and newest >= from_seq loop
        return query
        select * from (
            select p.* from unnest(segments[first:first + many - 1]) as s (number), lateral (
                select * from posting p where p.segment = s.number and p.debit = account_id and p.seq >= from_seq and p.seq < end_seq
                order by p.seq limit wanted) p
            union all
            select p.* from unnest(segments[first:first + many - 1]) as s (number), lateral (
                select * from posting p where p.segment = s.number and p.credit = account_id and p.seq >= from_seq and p.seq < end_seq
                order by p.seq limit wanted) p
        ) p order by p.seq limit wanted;
        get diagnostics found_now = row_count;
        wanted := wanted - found_now;
        first := first + many;
        many := least(4 * many, 256);
    end loop;
end $function$

postings_were_inserted(): CREATE OR REPLACE FUNCTION public.postings_were_inserted()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
declare
    seen    record;
    moved   record;
    stopped record;
    now_ms  constant bigint := extract(epoch from clock_timestamp()) * 1000;
begin
    -- Each journal is of this transaction, lies in the book of its postings, and is whole: a bulk may leave lines out, which it refused.
    select sum(w.postings) as postings, min(w.effective_first) as effective_first, bool_and(w.whole) as whole,
           min(w.clock_first) as clock_first, max(w.clock_last) as clock_last,
           min(w.seq_first) as seq_first, max(w.seq_last) as seq_last, bool_or(w.reverses) as reverses,
           array_agg(distinct w.program_id) as programs
    into seen
    from (
        select p.postings, p.effective_first, p.clock_first, p.clock_last, p.seq_first, p.seq_last, j.program_id,
               j.reverses is not null as reverses,
               coalesce(p.book_first = p.book_last and p.book_first = j.book_id and j.written_by = pg_current_xact_id()
                        and p.segment_first = p.segment_last
                        and p.seq_first >= (
                            select case when s.segment = p.segment_first then s.first_seq end
                            from program_segment s where s.program_id = j.program_id order by s.segment desc limit 1)
                        and p.line_first >= 1 and p.line_last <= j.lines
                        and (p.postings = j.lines or p.movements = p.postings), false) as whole
        from (
            select journal_id, count(*) as postings, count(movement) as movements, min(line) as line_first, max(line) as line_last,
                   min(segment) as segment_first, max(segment) as segment_last,
                   min(debit) >> 40 as book_first, max(debit) >> 40 as book_last, min(seq) as seq_first, max(seq) as seq_last,
                   min(effective_at) as effective_first,
                   min(effective_at) filter (where not off_clock) as clock_first,
                   max(effective_at) filter (where not off_clock) as clock_last
            from new_posting
            group by journal_id
        ) p
        left join lateral (select j.* from journal j where j.id = p.journal_id offset 0) j on true  -- by its key, however this is planned
    ) w;
    if seen.postings is null then
        return null;
    elsif not seen.whole then
        raise exception 'a posting belongs to a journal of its book, which is written whole by one transaction, into its program''s segment' using errcode = 'CF102';
    elsif seen.seq_first >> 20 < now_ms - 300000 or seen.seq_last >> 20 > now_ms + 86400000 then
        raise exception 'postings are recorded by the clock of the database' using errcode = 'CF103';
    elsif seen.clock_first < to_timestamp((seen.seq_last >> 20) / 1000.0) - interval '3600 seconds'
       or seen.clock_last > to_timestamp((seen.seq_first >> 20) / 1000.0) + interval '3600 seconds' then
        raise exception 'a posting more than an hour off the clock says so' using errcode = 'CF103';
    end if;
    perform books_are_open(seen.programs, seen.effective_first);

    -- The totals. An account that is unknown or closed, or that has postings after these, is not updated, and its sides are not counted.
    if seen.postings < 200 then
        
        with moved as (
            select account, total(debited) as debited, total(credited) as credited, count(*) as sides,
                   min(seq) as seq_first, max(seq) as seq_last
            from (select debit as account, debit >> 40 as book, amount as debited, 0::bigint as credited, seq from new_posting
                  union all
                  select credit, credit >> 40, 0, amount, seq from new_posting) as sides
            group by account, book
            order by account
        ), updated as (
            update account a
            set debits = a.debits + m.debited, credits = a.credits + m.credited, last_seq = m.seq_last
            from moved m
            where a.id = m.account and a.last_seq < m.seq_first and not a.closed
            returning a.id, a.last_seq, case when a.debit_normal then a.debits - a.credits else a.credits - a.debits end as balance,
                      a.frozen and case when a.debit_normal then m.credited else m.debited end > 0 as lowers_frozen, m.sides
        )
        select coalesce(sum(u.sides), 0) as sides, count(*) as accounts, count(p.seq) as tied,
               coalesce(bool_or(u.lowers_frozen), false) as lowers_frozen
        from updated u
        left join new_posting p on p.seq = u.last_seq
             and ((p.debit = u.id and p.debit_balance = u.balance) or (p.credit = u.id and p.credit_balance = u.balance))
    
        into moved;
    else
        execute '
        with moved as (
            select account, total(debited) as debited, total(credited) as credited, count(*) as sides,
                   min(seq) as seq_first, max(seq) as seq_last
            from (select debit as account, debit >> 40 as book, amount as debited, 0::bigint as credited, seq from new_posting
                  union all
                  select credit, credit >> 40, 0, amount, seq from new_posting) as sides
            group by account, book
            order by account
        ), updated as (
            update account a
            set debits = a.debits + m.debited, credits = a.credits + m.credited, last_seq = m.seq_last
            from moved m
            where a.id = m.account and a.last_seq < m.seq_first and not a.closed
            returning a.id, a.last_seq, case when a.debit_normal then a.debits - a.credits else a.credits - a.debits end as balance,
                      a.frozen and case when a.debit_normal then m.credited else m.debited end > 0 as lowers_frozen, m.sides
        )
        select coalesce(sum(u.sides), 0) as sides, count(*) as accounts, count(p.seq) as tied,
               coalesce(bool_or(u.lowers_frozen), false) as lowers_frozen
        from updated u
        left join new_posting p on p.seq = u.last_seq
             and ((p.debit = u.id and p.debit_balance = u.balance) or (p.credit = u.id and p.credit_balance = u.balance))
    ' into moved;
    end if;
    if moved.sides <> 2 * seen.postings then
        perform refuse_accounts(array(select debit from new_posting), array(select credit from new_posting));
    elsif moved.tied <> moved.accounts then
        raise exception 'the balances on the postings do not tie to the totals of their accounts' using errcode = 'CF105';
    end if;

    -- A freeze stops decisions, not what has happened already: a journal of facts, and a hold that was taken before, lower the account.
    if moved.lowers_frozen then
        select array_agg(p.debit) as debits, array_agg(p.credit) as credits into stopped
        from new_posting p
        where exists (select from account a
                      where a.frozen and ((a.id = p.debit and not a.debit_normal) or (a.id = p.credit and a.debit_normal)))
          and not exists (select from journal j join key_space s on s.word = key_word(j.key)
                          where j.id = p.journal_id and s.is_fact)
          and not exists (select from hold_resolution r where r.journal_id = p.journal_id and r.line = p.line);
        if stopped.debits is not null then
            perform refuse_accounts(stopped.debits, stopped.credits);
        end if;
    end if;

    -- A reversal goes from the last line to the first, so that it is possible wherever the journal was.
    if seen.reverses and exists (
        select from (
            select journal_id, debit, credit, amount, row_number() over (partition by journal_id order by line) as nth from new_posting
        ) p
        join journal j on j.id = p.journal_id and j.reverses is not null
        left join (
            select r.reversed_by, o.debit, o.credit, o.amount, row_number() over (partition by r.reversed_by order by o.line desc) as nth
            from reversal r
            join posting o on o.journal_id = r.journal_id and o.line = r.line
            where r.reversed_by in (select journal_id from new_posting)
        ) o on o.reversed_by = p.journal_id and o.nth = p.nth
        where (o.debit, o.credit, o.amount) is distinct from (p.credit, p.debit, p.amount)) then
        raise exception 'a reversal moves the same amounts back between the same accounts' using errcode = 'CF106';
    end if;
    return null;
end $function$

principal_stays_itself(): CREATE OR REPLACE FUNCTION public.principal_stays_itself()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    if (new.id, new.kind, new.name, new.skeleton, new.created_by, new.created_at)
       is distinct from (old.id, old.kind, old.name, old.skeleton, old.created_by, old.created_at) then
        raise '% stays what it is: make another principal', old.name using errcode = 'CF001';
    end if;
    return new;
end $function$

program_lock(text): CREATE OR REPLACE FUNCTION public.program_lock(program_id text)
 RETURNS bigint
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO 'public', 'pg_temp'
RETURN hashtextextended(program_id, (4271002)::bigint)

program_roles_of(text): CREATE OR REPLACE FUNCTION public.program_roles_of(who text)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO 'public', 'pg_temp'
RETURN (SELECT COALESCE(jsonb_object_agg(of_one.program_id, of_one.roles), '{}'::jsonb) AS "coalesce" FROM (SELECT g.program_id, string_agg(g.role, '+'::text ORDER BY g.role) AS roles FROM role_grant g WHERE ((g.principal_id = program_roles_of.who) AND (g.revoked_at IS NULL) AND (g.program_id IS NOT NULL)) GROUP BY g.program_id) of_one)

program_version(text): CREATE OR REPLACE FUNCTION public.program_version(program_id text)
 RETURNS regclass
 LANGUAGE sql
 STABLE PARALLEL SAFE
 SET search_path TO 'public', 'pg_temp'
RETURN (('public.ledger_version_'::text || (hashtextextended(program_id, (4271003)::bigint) & (15)::bigint)))::regclass

program_was_opened(): CREATE OR REPLACE FUNCTION public.program_was_opened()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    insert into program_segment (program_id, segment, first_seq) values (new.id, 0, 0);
    return null;
end $function$

promise_of_two_phase_is_kept(): CREATE OR REPLACE FUNCTION public.promise_of_two_phase_is_kept()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    if exists (
        select from new_resolution r
        cross join lateral (
            select h.amount, h.source_id from hold h
            where h.id = r.hold_id and h.source_type = 'two_phase' and h.promised offset 0) h
        left join lateral (
            select d.decision from two_phase_decision d where d.transaction_id = split_part(h.source_id, ':', 1) offset 0) d on true
        where case r.verb when 'post' then d.decision is distinct from 'commit' or r.amount <> h.amount
                          else d.decision is distinct from 'abort' end) then
        raise 'what a participant of a transaction promised is posted when commit is decided, and given back when abort is' using errcode = 'CF002';
    end if;
    return null;
end $function$

promised_money_is_not_reversed(): CREATE OR REPLACE FUNCTION public.promised_money_is_not_reversed()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    if exists (select from hold_resolution x join hold h on h.id = x.hold_id where x.journal_id = new.reverses and h.promised) then
        raise 'journal % is of a hold that is promised: another transaction moves it back', new.reverses using errcode = 'CF118';
    end if;
    return new;
end $function$

receipt_counts_once(): CREATE OR REPLACE FUNCTION public.receipt_counts_once()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    if receipt_used(new.reference) then
        raise 'the receipt % was used before', new.reference using errcode = 'CF002';
    end if;
    return new;
end $function$

receipt_used(text): CREATE OR REPLACE FUNCTION public.receipt_used(of_reference text)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    perform pg_advisory_xact_lock(hashtextextended('receipt:' || of_reference, 0));
    return exists (select from escrow_movement m where m.kind = 'fund' and m.payment_id is null and m.reference = of_reference)
        or exists (select from customer_debt_entry d where d.kind = 'paid' and d.payment_id is null and d.reference = of_reference);
end $function$

reference_paid(text,text): CREATE OR REPLACE FUNCTION public.reference_paid(of_provider text, of_reference text)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    perform pg_advisory_xact_lock(hashtextextended('paid:' || of_provider || ':' || of_reference, 0));
    return exists (select from refund_execution r where (r.provider, r.reference) = (of_provider, of_reference))
        or exists (select from overpayment_repayment r where (r.provider, r.reference) = (of_provider, of_reference))
        or exists (select from unidentified_repayment r where (r.provider, r.reference) = (of_provider, of_reference))
        or exists (select from escrow_movement m where m.kind = 'repay' and (m.provider, m.reference) = (of_provider, of_reference));
end $function$

reference_pays_once(): CREATE OR REPLACE FUNCTION public.reference_pays_once()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    if reference_paid(new.provider, new.reference) then
        raise 'reference % of % paid something else', new.reference, new.provider using errcode = 'CF002';
    end if;
    return new;
end $function$

refuse_accounts(bigint[],bigint[]): CREATE OR REPLACE FUNCTION public.refuse_accounts(lowered_if_credit_normal bigint[], lowered_if_debit_normal bigint[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
declare
    wrong record;
begin
    select asked.id, a.name, a.closed, a.frozen, a.id is null as unknown into wrong
    from (select unnest as id, true as debited from unnest(lowered_if_credit_normal)
          union all select unnest, false from unnest(lowered_if_debit_normal)) asked
    left join account a on a.id = asked.id
    where a.id is null or a.closed or (a.frozen and a.debit_normal <> asked.debited)
    order by a.id is null desc, a.closed desc, asked.id
    limit 1;
    if not found then
        raise exception 'postings of an account are recorded in their order' using errcode = 'CF103';
    elsif wrong.unknown then
        raise exception 'account % does not exist', wrong.id using errcode = 'CF107';
    elsif wrong.closed then
        raise exception 'account % is closed', wrong.name using errcode = 'CF108';
    end if;
    raise exception 'account % is frozen: nothing may lower it', wrong.name using errcode = 'CF110';
end $function$

refuse_another_value(): CREATE OR REPLACE FUNCTION public.refuse_another_value()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    raise exception '% of % is written once', tg_argv[0], tg_table_name using errcode = 'CF001';
end $function$

refuse_change(): CREATE OR REPLACE FUNCTION public.refuse_change()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    raise exception '% is append-only: % is refused', tg_table_name, lower(tg_op) using errcode = 'CF001';
end $function$

refuse_clear(): CREATE OR REPLACE FUNCTION public.refuse_clear()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    raise '%: what is confidential is kept encrypted', tg_table_name using errcode = 'CF050';
end $function$

refuse_direct_update(): CREATE OR REPLACE FUNCTION public.refuse_direct_update()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    raise exception '% moves by postings, holds and flags alone', tg_table_name using errcode = 'CF111';
end $function$

refuse_fingerprint_alone(): CREATE OR REPLACE FUNCTION public.refuse_fingerprint_alone()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    raise '%: a fingerprint is renewed with its envelope, under the same key', tg_table_name using errcode = 'CF050';
end $function$

refuse_nowhere(): CREATE OR REPLACE FUNCTION public.refuse_nowhere()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    raise 'an attempt names the destination that it goes to' using errcode = 'CF050';
end $function$

refuse_second_attempt(): CREATE OR REPLACE FUNCTION public.refuse_second_attempt()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    if exists (select from provider_payout o where o.payout_id = new.payout_id and o.id <> new.id
                   and o.state in ('queued', 'sending', 'sent', 'unknown', 'quarantined', 'succeeded'))
        or exists (select from payout mine
                   cross join lateral (select p.id from payout p where p.settlement_id = mine.settlement_id offset 0) theirs
                   cross join lateral (
                       select from provider_payout o where o.payout_id = theirs.id and o.id <> new.id
                           and o.state in ('queued', 'sending', 'sent', 'unknown', 'quarantined') offset 0) alive
                   where mine.id = new.payout_id) then
        raise exception 'payout %: another attempt is alive or paid', new.payout_id using errcode = 'CF002';
    end if;
    return new;
end $function$

roles_do_not_conflict(): CREATE OR REPLACE FUNCTION public.roles_do_not_conflict()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
declare
    own constant text := (select p.program_id from principal p where p.id = new.principal_id for update);  -- two grants at once see each other
begin
    if own <> new.program_id then
        raise '% is of the program %', new.principal_id, own using errcode = 'CF001';
    end if;
    if exists (select from role_grant g join role_conflict c on c.role = g.role and c.other = new.role
               where g.principal_id = new.principal_id and g.revoked_at is null
                 and (g.program_id is null or new.program_id is null or g.program_id = new.program_id)) then
        raise 'role % conflicts with one that % holds', new.role, new.principal_id using errcode = 'CF351';
    end if;
    return new;
end $function$

roles_of(text): CREATE OR REPLACE FUNCTION public.roles_of(who text)
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO 'public', 'pg_temp'
RETURN (SELECT COALESCE(string_agg(g.role, '+'::text ORDER BY g.role), ''::text) AS "coalesce" FROM role_grant g WHERE ((g.principal_id = roles_of.who) AND (g.revoked_at IS NULL) AND (g.program_id IS NULL)))

ruled_by_another(): CREATE OR REPLACE FUNCTION public.ruled_by_another()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    if new.actor is not distinct from escrow_frozen_by(new.escrow_id) then
        raise 'escrow % is ruled on by another than who froze it', new.escrow_id using errcode = 'CF002';
    end if;
    return new;
end $function$

runbook_answer_belongs(): CREATE OR REPLACE FUNCTION public.runbook_answer_belongs()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
declare
    run  runbook_run;
    step jsonb;
begin
    select * into run from runbook_run where id = new.run_id for share;
    step := run.steps_written -> (new.number - 1);
    if run.state <> 'running' then
        raise 'run % is %', new.run_id, run.state using errcode = 'check_violation', constraint = 'runbook_answer_while_it_runs';
    end if;
    if new.number < 1 or step is null or step ->> 'type' <> new.type then
        raise 'step % of run % is not of type %', new.number, new.run_id, new.type
            using errcode = 'check_violation', constraint = 'runbook_answer_belongs';
    end if;
    if new.outcome = 'skipped' and not coalesce((step ->> 'optional')::boolean, false) then
        raise 'step % of run % is not optional', new.number, new.run_id
            using errcode = 'check_violation', constraint = 'runbook_answer_skips_what_is_optional';
    end if;
    if new.type = 'approval' and new.actor = run.started_by then
        raise 'step % of run % takes another person', new.number, new.run_id
            using errcode = 'check_violation', constraint = 'runbook_answer_takes_another_person';
    end if;
    return new;
end $function$

runbook_answer_does_not_apply(): CREATE OR REPLACE FUNCTION public.runbook_answer_does_not_apply()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
declare
    step jsonb := (select steps_written -> (new.number - 1) from runbook_run where id = new.run_id);
begin
    if coalesce(step ->> 'applies', '') = '' and step -> 'things' is distinct from '[]'::jsonb then
        raise 'step % of run % applies always', new.number, new.run_id
            using errcode = 'check_violation', constraint = 'runbook_answer_does_not_apply';
    end if;
    return new;
end $function$

runbook_run_is_signed_when_it_passed(): CREATE OR REPLACE FUNCTION public.runbook_run_is_signed_when_it_passed()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    if new.state = 'signed' and old.state <> 'signed' and jsonb_array_length(new.steps_written) <> (
        select count(*) from (select distinct on (number) outcome from runbook_answer where run_id = new.id order by number, attempt desc) n
        where outcome in ('passed', 'done', 'skipped', 'does_not_apply')) then
        raise 'run % has steps that did not pass', new.id
            using errcode = 'check_violation', constraint = 'runbook_run_is_signed_when_it_passed';
    end if;
    return new;
end $function$

seal_access_event(): CREATE OR REPLACE FUNCTION public.seal_access_event()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'access_event', n.id::text, sha256(convert_to(row(n.id, n.at, n.kind, n.name, n.principal_id, n.api_key_id, n.address, n.method, n.path, n.needs, n.request_id)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_account(): CREATE OR REPLACE FUNCTION public.seal_account()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'account', n.id::text, sha256(convert_to(row(n.id, n.book_id, n.name, n.debit_normal, n.opened_at, n.opened_by)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_account_flag(): CREATE OR REPLACE FUNCTION public.seal_account_flag()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'account_flag', row(n.account_id, n.step)::text, sha256(convert_to(row(n.account_id, n.step, n.flag, n.value, n.actor, n.reason, n.at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_account_guard(): CREATE OR REPLACE FUNCTION public.seal_account_guard()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'account_guard', n.account_id::text, sha256(convert_to(row(n.account_id, n.no_overdraft)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_action(): CREATE OR REPLACE FUNCTION public.seal_action()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'action', n.id::text, sha256(convert_to(row(n.id, n.actor, n.role, n.verb, n.subject_id, n.reason, n.request_id, n.payload, n.at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_action_origin(): CREATE OR REPLACE FUNCTION public.seal_action_origin()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'action_origin', n.action_id::text, sha256(convert_to(row(n.action_id, n.principal_id, n.api_key_id, n.address)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_affiliate(): CREATE OR REPLACE FUNCTION public.seal_affiliate()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'affiliate', n.id::text, sha256(convert_to(row(n.id, n.program_id, n.name, n.created_at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_affiliate_placement(): CREATE OR REPLACE FUNCTION public.seal_affiliate_placement()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'affiliate_placement', row(n.affiliate_id, n.number)::text, sha256(convert_to(row(n.affiliate_id, n.number, n.program_id, n.parent_id, n.actor, n.reason, n.at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_agent(): CREATE OR REPLACE FUNCTION public.seal_agent()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'agent', n.id::text, sha256(convert_to(row(n.id, n.program_id, n.name, n.created_at, n.created_by)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_agent_mandate(): CREATE OR REPLACE FUNCTION public.seal_agent_mandate()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'agent_mandate', n.id::text, sha256(convert_to(row(n.id, n.agent_id, n.program_id, n.number, n.asset, n.counterparty_id, n.towards, n.per_transaction, n.per_hour, n.per_day, n.per_week, n.per_month, n.expires_at, n.revoked, n.actor, n.reason, n.at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_anew(regclass,text[],jsonb): CREATE OR REPLACE FUNCTION public.seal_anew(target regclass, columns text[], broken jsonb)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
declare
    named constant text := (select relname from pg_class where oid = target);
begin
    alter table seal disable trigger is_append_only;
    alter table sealed_relation disable trigger is_append_only;
    delete from seal s where s.relation = named and not exists (
        select from jsonb_to_recordset(broken) as b (row_id text, what text) where b.row_id = s.row_id and b.what = 'was taken out');
    delete from sealed_relation r where r.relation = named;
    execute format('drop trigger is_sealed on %s', target);
    execute format('drop function %I()', 'seal_' || named);
    perform make_sealed(target, columns);
    update seal s set sha256 = decode(repeat('00', 32), 'hex')
    from jsonb_to_recordset(broken) as b (row_id text, what text)
    where s.relation = named and s.row_id = b.row_id and b.what = 'was changed';
    delete from seal s using jsonb_to_recordset(broken) as b (row_id text, what text)
    where s.relation = named and s.row_id = b.row_id and b.what = 'was put in past its rules';
    alter table seal enable always trigger is_append_only;
    alter table sealed_relation enable always trigger is_append_only;
end $function$

seal_api_key(): CREATE OR REPLACE FUNCTION public.seal_api_key()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'api_key', n.id::text, sha256(convert_to(row(n.id, n.name, n.role, n.secret_hash, n.hint, n.created_by, n.created_at, n.expires_at, n.principal_id, n.program_id, n.skeleton, n.scopes)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_approval_decision(): CREATE OR REPLACE FUNCTION public.seal_approval_decision()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'approval_decision', row(n.proposal_id, n.checker_id)::text, sha256(convert_to(row(n.proposal_id, n.maker_id, n.payload_sha256, n.expires_at, n.decision, n.checker_id, n.checker, n.session_id, n.reason, n.at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_approval_proposal(): CREATE OR REPLACE FUNCTION public.seal_approval_proposal()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'approval_proposal', n.id::text, sha256(convert_to(row(n.id, n.machine, n.subject_id, n.verb, n.program_id, n.payload, n.payload_sha256, n.reason, n.maker_id, n.maker, n.made_at, n.expires_at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_approval_use(): CREATE OR REPLACE FUNCTION public.seal_approval_use()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'approval_use', n.proposal_id::text, sha256(convert_to(row(n.proposal_id, n.machine, n.subject_id, n.verb, n.step, n.result_id, n.at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_asset(): CREATE OR REPLACE FUNCTION public.seal_asset()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'asset', n.code::text, sha256(convert_to(row(n.code, n.scale)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_bank_file(): CREATE OR REPLACE FUNCTION public.seal_bank_file()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'bank_file', n.id::text, sha256(convert_to(row(n.id, n.program_id, n.account, n.file_name, n.sha256, n.format, n.records, n.new, n.known, n.notes, n.actor, n.at, n.rejected_count)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_bank_line(): CREATE OR REPLACE FUNCTION public.seal_bank_line()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'bank_line', row(n.program_id, n.account, n.key)::text, sha256(convert_to(row(n.program_id, n.account, n.key, n.asset, n.amount, n.booked_on, n.value_on, n.external_id, n.batch, n.file_id, n.line, n.bank_account, n.statement, n."position", n.entry)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_bank_line_withdrawn(): CREATE OR REPLACE FUNCTION public.seal_bank_line_withdrawn()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'bank_line_withdrawn', row(n.program_id, n.account, n.key)::text, sha256(convert_to(row(n.program_id, n.account, n.key, n.file_id, n.why, n.at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_bank_statement(): CREATE OR REPLACE FUNCTION public.seal_bank_statement()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'bank_statement', row(n.file_id, n.number)::text, sha256(convert_to(row(n.file_id, n.number, n.bank_account, n.statement_id, n.sequence, n.page, n.asset, n.opening, n.closing, n.opening_on, n.closing_on, n.entries, n.total, n.line)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_book(): CREATE OR REPLACE FUNCTION public.seal_book()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'book', n.id::text, sha256(convert_to(row(n.id, n.program_id, n.asset)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_break(): CREATE OR REPLACE FUNCTION public.seal_break()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'break', n.id::text, sha256(convert_to(row(n.id, n.program_id, n.source, n.identity, n.asset, n.first_run, n.opened_at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_break_proposal(): CREATE OR REPLACE FUNCTION public.seal_break_proposal()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'break_proposal', n.id::text, sha256(convert_to(row(n.id, n.break_id, n.number, n.kind, n.payload, n.payload_sha256, n.minor, n.limit_minor, n.reason, n.maker, n.made_at, n.expires_at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_break_remark(): CREATE OR REPLACE FUNCTION public.seal_break_remark()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'break_remark', row(n.break_id, n.number)::text, sha256(convert_to(row(n.break_id, n.number, n.kind, n.text, n.actor, n.at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_call(): CREATE OR REPLACE FUNCTION public.seal_call()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'call', n.id::text, sha256(convert_to(row(n.id, n.subject_id, n.number, n.provider, n.key, n.payload_sha256, n.worker, n.fence, n.announced_at, n.horizon_at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_call_answer(): CREATE OR REPLACE FUNCTION public.seal_call_answer()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'call_answer', n.id::text, sha256(convert_to(row(n.id, n.kind, n.answer, n.answered_at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_carbon_bill(): CREATE OR REPLACE FUNCTION public.seal_carbon_bill()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'carbon_bill', n.id::text, sha256(convert_to(row(n.id, n.program_id, n.source, n.reference, n.first_day, n.last_day, n.lines, n.watt_hours, n.grams, n.digest, n.final_at, n.actor, n.at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_carbon_bill_line(): CREATE OR REPLACE FUNCTION public.seal_carbon_bill_line()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'carbon_bill_line', row(n.bill_id, n.region, n.day)::text, sha256(convert_to(row(n.bill_id, n.program_id, n.region, n.day, n.watt_hours, n.grams)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_carbon_credit(): CREATE OR REPLACE FUNCTION public.seal_carbon_credit()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'carbon_credit', n.id::text, sha256(convert_to(row(n.id, n.program_id, n.registry, n.series, n.first_serial, n.last_serial, n.grams_each, n.vintage, n.reference, n.reason, n.actor, n.at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_carbon_energy(): CREATE OR REPLACE FUNCTION public.seal_carbon_energy()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'carbon_energy', n.id::text, sha256(convert_to(row(n.id, n.program_id, n.agent_id, n.reference, n.region, n.day, n.starts_at, n.ends_at, n.watt_hours, n.actor, n.at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_carbon_fetch(): CREATE OR REPLACE FUNCTION public.seal_carbon_fetch()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'carbon_fetch', row(n.region, n.day, n.at)::text, sha256(convert_to(row(n.region, n.day, n.at, n.sync_id, n.until, n.points)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_carbon_intensity(): CREATE OR REPLACE FUNCTION public.seal_carbon_intensity()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'carbon_intensity', row(n.region, n.point_at, n.number)::text, sha256(convert_to(row(n.region, n.point_at, n.number, n.period_s, n.value, n.model, n.sync_id, n.at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_carbon_posting(): CREATE OR REPLACE FUNCTION public.seal_carbon_posting()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'carbon_posting', n.id::text, sha256(convert_to(row(n.id, n.program_id, n.agent_id, n.region, n.day, n.number, n.grams, n.total, n.watt_hours, n.forced, n.sync_id, n.at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_carbon_retirement(): CREATE OR REPLACE FUNCTION public.seal_carbon_retirement()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'carbon_retirement', n.id::text, sha256(convert_to(row(n.id, n.program_id, n.credit_id, n.first_serial, n.last_serial, n.agent_id, n.grams, n.reason, n.actor, n.at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_carbon_sync(): CREATE OR REPLACE FUNCTION public.seal_carbon_sync()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'carbon_sync', n.id::text, sha256(convert_to(row(n.id, n.actor, n.forced, n.reason, n.days, n.failed, n.points, n.posted, n.breaks, n.error, n.started_at, n.ended_at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_chargeback(): CREATE OR REPLACE FUNCTION public.seal_chargeback()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'chargeback', n.id::text, sha256(convert_to(row(n.program_id, n.provider, n.provider_ref, n.charge_id, n.payment_id, n.invoice_id, n.customer_id, n.payee_id, n.asset, n.amount, n.fee, n.beyond, n.cause, n.opened_at, n.excess)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_chargeback_conflict(): CREATE OR REPLACE FUNCTION public.seal_chargeback_conflict()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'chargeback_conflict', n.id::text, sha256(convert_to(row(n.id, n.chargeback_id, n.program_id, n.said, n.said_sha256, n.differs, n.at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_chargeback_debt(): CREATE OR REPLACE FUNCTION public.seal_chargeback_debt()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'chargeback_debt', row(n.chargeback_id, n.entry_id)::text, sha256(convert_to(row(n.chargeback_id, n.entry_id, n.amount)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_chargeback_escrow(): CREATE OR REPLACE FUNCTION public.seal_chargeback_escrow()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'chargeback_escrow', row(n.chargeback_id, n.escrow_id)::text, sha256(convert_to(row(n.chargeback_id, n.escrow_id, n.amount)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_chargeback_refund(): CREATE OR REPLACE FUNCTION public.seal_chargeback_refund()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'chargeback_refund', row(n.chargeback_id, n.refund_id)::text, sha256(convert_to(row(n.chargeback_id, n.refund_id, n.is_own, n.amount)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_chargeback_repaid(): CREATE OR REPLACE FUNCTION public.seal_chargeback_repaid()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'chargeback_repaid', n.chargeback_id::text, sha256(convert_to(row(n.chargeback_id, n.unidentified_payment_id, n.amount)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_chargeback_ruling(): CREATE OR REPLACE FUNCTION public.seal_chargeback_ruling()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'chargeback_ruling', n.chargeback_id::text, sha256(convert_to(row(n.chargeback_id, n.program_id, n.outcome, n.reason, n.actor, n.at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_client_money(): CREATE OR REPLACE FUNCTION public.seal_client_money()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'client_money', n.id::text, sha256(convert_to(row(n.id, n.program_id, n.asset, n.on_day, n.owed, n.held, n.in_transit, n.difference, n.detail, n.sha256, n.made_by, n.made_at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_client_money_signature(): CREATE OR REPLACE FUNCTION public.seal_client_money_signature()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'client_money_signature', n.client_money_id::text, sha256(convert_to(row(n.client_money_id, n.sha256, n.signed_by, n.action_taken, n.at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_commission(): CREATE OR REPLACE FUNCTION public.seal_commission()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'commission', n.id::text, sha256(convert_to(row(n.id, n.program_id, n.sale_id, n.affiliate_id, n.level, n.asset, n.amount, n.matures_at, n.created_at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_commission_payment(): CREATE OR REPLACE FUNCTION public.seal_commission_payment()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'commission_payment', n.id::text, sha256(convert_to(row(n.id, n.program_id, n.affiliate_id, n.asset, n.earned, n.netted, n.amount, n.rate_version, n.actor, n.at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_commission_rate(): CREATE OR REPLACE FUNCTION public.seal_commission_rate()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'commission_rate', row(n.program_id, n.asset, n.version)::text, sha256(convert_to(row(n.program_id, n.asset, n.version, n.base, n.mode, n.levels, n.cap_bps, n.mature_days, n.minimum, n.effective_at, n.actor, n.recorded_at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_commission_reversal(): CREATE OR REPLACE FUNCTION public.seal_commission_reversal()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'commission_reversal', n.id::text, sha256(convert_to(row(n.id, n.commission_id, n.number, n.program_id, n.amount, n.state, n.at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_commission_sale(): CREATE OR REPLACE FUNCTION public.seal_commission_sale()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'commission_sale', n.id::text, sha256(convert_to(row(n.id, n.program_id, n.customer_id, n.asset, n.gross, n.platform_fee, n.rate_version, n.base_kind, n.mode, n.levels, n.path, n.earns, n.at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_credit_note(): CREATE OR REPLACE FUNCTION public.seal_credit_note()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'credit_note', n.id::text, sha256(convert_to(row(n.id, n.program_id, n.invoice_id, n.asset, n.amount, n.against_due, n.refunded, n.refund_id, n.reason, n.actor, n.at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_customer_debt_entry(): CREATE OR REPLACE FUNCTION public.seal_customer_debt_entry()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'customer_debt_entry', n.id::text, sha256(convert_to(row(n.id, n.program_id, n.customer_id, n.asset, n.kind, n.amount, n.payment_id, n.provider, n.reference, n.reason, n.actor, n.at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_destination(): CREATE OR REPLACE FUNCTION public.seal_destination()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'destination', n.id::text, sha256(convert_to(row(n.id, n.program_id, n.payee_id, n.provider, n.actor, n.created_at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_dispute(): CREATE OR REPLACE FUNCTION public.seal_dispute()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'dispute', n.id::text, sha256(convert_to(row(n.program_id, n.invoice_id, n.customer_id, n.payee_id, n.asset, n.exposure, n.cause, n.opened_by, n.opened_at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_dispute_evidence(): CREATE OR REPLACE FUNCTION public.seal_dispute_evidence()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'dispute_evidence', row(n.dispute_id, n.number)::text, sha256(convert_to(row(n.dispute_id, n.number, n.name, n.sha256, n.content, n.given_by, n.actor, n.at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_drill_check(): CREATE OR REPLACE FUNCTION public.seal_drill_check()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'drill_check', row(n.drill_id, n.place)::text, sha256(convert_to(row(n.drill_id, n.place, n.what, n.outcome, n.told, n.at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_escrow(): CREATE OR REPLACE FUNCTION public.seal_escrow()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'escrow', n.id::text, sha256(convert_to(row(n.id, n.program_id, n.customer_id, n.payee_id, n.asset, n.amount, n.reference, n.rate_version, n.expires_at, n.created_at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_escrow_condition(): CREATE OR REPLACE FUNCTION public.seal_escrow_condition()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'escrow_condition', row(n.escrow_id, n.number)::text, sha256(convert_to(row(n.escrow_id, n.number, n.program_id, n.kind, n.not_before, n.signers, n.needed, n.least_micro)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_escrow_evidence(): CREATE OR REPLACE FUNCTION public.seal_escrow_evidence()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'escrow_evidence', n.id::text, sha256(convert_to(row(n.id, n.escrow_id, n.condition, n.program_id, n.actor, n.score_micro, n.source, n.at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_escrow_movement(): CREATE OR REPLACE FUNCTION public.seal_escrow_movement()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'escrow_movement', n.id::text, sha256(convert_to(row(n.id, n.escrow_id, n.number, n.program_id, n.kind, n.amount, n.platform_fee, n.validator_fee, n.net, n.payment_id, n.provider, n.reference, n.by_ruling, n.actor, n.reason, n.at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_event(): CREATE OR REPLACE FUNCTION public.seal_event()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'event', n.id::text, sha256(convert_to(row(n.id, n.name, n.level, n.program_id, n.subject_id, n.payload, n.at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_expressions(text[],text[]): CREATE OR REPLACE FUNCTION public.seal_expressions(key text[], columns text[], OUT row_id text, OUT sha256 text)
 RETURNS record
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO 'public', 'pg_temp'
RETURN (SELECT ROW(CASE WHEN (cardinality(seal_expressions.key) = 1) THEN string_agg(format('n.%I::text'::text, named.one), ''::text) FILTER (WHERE named.is_key) ELSE (('row('::text || string_agg(format('n.%I'::text, named.one), ', '::text ORDER BY named.place) FILTER (WHERE named.is_key)) || ')::text'::text) END, (('sha256(convert_to(row('::text || string_agg(format('n.%I'::text, named.one), ', '::text ORDER BY named.place) FILTER (WHERE (NOT named.is_key))) || ')::text, ''UTF8''))'::text)) AS "row" FROM (SELECT k.one, k.place, true AS is_key FROM unnest(seal_expressions.key) WITH ORDINALITY k(one, place) UNION ALL SELECT c.one, c.place, false FROM unnest(seal_expressions.columns) WITH ORDINALITY c(one, place)) named)

seal_fee_limit(): CREATE OR REPLACE FUNCTION public.seal_fee_limit()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'fee_limit', row(n.program_id, n.version, n.asset)::text, sha256(convert_to(row(n.program_id, n.version, n.asset, n.fixed, n.minimum, n.maximum)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_fee_rate(): CREATE OR REPLACE FUNCTION public.seal_fee_rate()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'fee_rate', row(n.program_id, n.version)::text, sha256(convert_to(row(n.program_id, n.version, n.platform_bps, n.validator_bps, n.holdback_bps, n.actor, n.recorded_at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_fee_term(): CREATE OR REPLACE FUNCTION public.seal_fee_term()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'fee_term', row(n.program_id, n.version)::text, sha256(convert_to(row(n.program_id, n.version, n.effective_at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_holdback_term(): CREATE OR REPLACE FUNCTION public.seal_holdback_term()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'holdback_term', row(n.program_id, n.version)::text, sha256(convert_to(row(n.program_id, n.version, n.days)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_holdback_tranche(): CREATE OR REPLACE FUNCTION public.seal_holdback_tranche()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'holdback_tranche', n.id::text, sha256(convert_to(row(n.settlement_id, n.number, n.program_id, n.payee_id, n.asset, n.amount, n.release_at, n.created_at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_holdback_use(): CREATE OR REPLACE FUNCTION public.seal_holdback_use()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'holdback_use', row(n.tranche_id, n.refund_id)::text, sha256(convert_to(row(n.tranche_id, n.refund_id, n.amount)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_intent(): CREATE OR REPLACE FUNCTION public.seal_intent()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'intent', n.id::text, sha256(convert_to(row(n.id, n.program_id, n.invoice_id, n.provider, n.created_at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_invoice(): CREATE OR REPLACE FUNCTION public.seal_invoice()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'invoice', n.id::text, sha256(convert_to(row(n.id, n.program_id, n.customer_id, n.payee_id, n.asset, n.total, n.issued_at, n.due_on)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_invoice_write_off(): CREATE OR REPLACE FUNCTION public.seal_invoice_write_off()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'invoice_write_off', n.id::text, sha256(convert_to(row(n.id, n.program_id, n.invoice_id, n.asset, n.amount, n.reason, n.actor, n.at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_journal(): CREATE OR REPLACE FUNCTION public.seal_journal()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'journal', n.id::text, sha256(convert_to(row(n.id, n.program_id, n.book_id, n.lines, n.effective_at, n.recorded_at, n.kind, n.key, n.request_hash, n.actor, n.narrative, n.source_type, n.source_id, n.reverses, n.reverses_line, n.written_by)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_journal_import(): CREATE OR REPLACE FUNCTION public.seal_journal_import()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'journal_import', n.id::text, sha256(convert_to(row(n.id, n.program_id, n.file_name, n.rows, n.actor, n.at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_journal_import_step(): CREATE OR REPLACE FUNCTION public.seal_journal_import_step()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'journal_import_step', row(n.import_id, n.rows_done)::text, sha256(convert_to(row(n.import_id, n.rows_done, n.at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_journal_key_moved(): CREATE OR REPLACE FUNCTION public.seal_journal_key_moved()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'journal_key_moved', n.journal_id::text, sha256(convert_to(row(n.journal_id, n.old_key, n.new_key, n.at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_late_posting(): CREATE OR REPLACE FUNCTION public.seal_late_posting()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'late_posting', row(n.journal_id, n.line)::text, sha256(convert_to(row(n.journal_id, n.line, n.occurred_at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_overpayment(): CREATE OR REPLACE FUNCTION public.seal_overpayment()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'overpayment', n.id::text, sha256(convert_to(row(n.program_id, n.payment_id, n.invoice_id, n.customer_id, n.asset, n.amount, n.cause, n.created_at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_overpayment_repayment(): CREATE OR REPLACE FUNCTION public.seal_overpayment_repayment()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'overpayment_repayment', n.overpayment_id::text, sha256(convert_to(row(n.overpayment_id, n.program_id, n.amount, n.provider, n.reference, n.actor, n.at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_payment(): CREATE OR REPLACE FUNCTION public.seal_payment()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'payment', n.id::text, sha256(convert_to(row(n.id, n.program_id, n.provider, n.charge_id, n.invoice_id, n.reference, n.asset, n.amount, n.applied, n.fee, n.occurred_at, n.recorded_at, n.account)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_payout(): CREATE OR REPLACE FUNCTION public.seal_payout()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'payout', n.id::text, sha256(convert_to(row(n.id, n.program_id, n.payee_id, n.invoice_id, n.settlement_id, n.key, n.asset, n.amount, n.created_at, n.reissue)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_payout_evidence(): CREATE OR REPLACE FUNCTION public.seal_payout_evidence()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'payout_evidence', n.provider_payout_id::text, sha256(convert_to(row(n.provider_payout_id, n.program_id, n.break_id, n.run_id, n.number, n.source, n.record_id, n.at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_payout_netting(): CREATE OR REPLACE FUNCTION public.seal_payout_netting()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'payout_netting', row(n.payout_id, n.number)::text, sha256(convert_to(row(n.payout_id, n.number, n.amount, n.at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_period_close(): CREATE OR REPLACE FUNCTION public.seal_period_close()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'period_close', row(n.program_id, n.step)::text, sha256(convert_to(row(n.program_id, n.step, n.verb, n.closed_until, n.actor, n.reason, n.at, n.recorded_at, n.approved_by, n.approval_id)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_period_keys(): CREATE OR REPLACE FUNCTION public.seal_period_keys()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'period_keys', row(n.from_at, n.to_at)::text, sha256(convert_to(row(n.from_at, n.to_at, n.keys, n.made_at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_personal_data_policy(): CREATE OR REPLACE FUNCTION public.seal_personal_data_policy()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'personal_data_policy', n.version::text, sha256(convert_to(row(n.version, n.name, n.sha256, n.reason, n.actor, n.recorded_at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_principal(): CREATE OR REPLACE FUNCTION public.seal_principal()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'principal', n.id::text, sha256(convert_to(row(n.id, n.kind, n.name, n.skeleton, n.created_by, n.created_at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_program(): CREATE OR REPLACE FUNCTION public.seal_program()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'program', n.id::text, sha256(convert_to(row(n.id, n.name, n.opened_at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_proof(): CREATE OR REPLACE FUNCTION public.seal_proof()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'proof', n.id::text, sha256(convert_to(row(n.id, n.from_at, n.to_at, n.open_size, n.close_size, n.entries, n.verdict, n.reconciliation, n.manifest_sha256, n.previous_id, n.duration_ms, n.made_by, n.created_at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_proof_file(): CREATE OR REPLACE FUNCTION public.seal_proof_file()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'proof_file', row(n.proof_id, n.name)::text, sha256(convert_to(row(n.proof_id, n.name, n.sha256, n.bytes, n.crc32)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_proof_request(): CREATE OR REPLACE FUNCTION public.seal_proof_request()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'proof_request', row(n.proof_id, n.number)::text, sha256(convert_to(row(n.proof_id, n.number, n.quorum, n.statement, n.requested_by, n.requested_at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_proof_signature(): CREATE OR REPLACE FUNCTION public.seal_proof_signature()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'proof_signature', row(n.proof_id, n.number, n.signer_id)::text, sha256(convert_to(row(n.proof_id, n.number, n.signer_id, n.principal_id, n.role, n.signature, n.at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_provider_conflict(): CREATE OR REPLACE FUNCTION public.seal_provider_conflict()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'provider_conflict', n.id::text, sha256(convert_to(row(n.provider_payout_id, n.said, n.expected, n.fact, n.at, n.id, n.number)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_provider_payout(): CREATE OR REPLACE FUNCTION public.seal_provider_payout()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'provider_payout', n.id::text, sha256(convert_to(row(n.id, n.payout_id, n.program_id, n.number, n.provider, n.idempotency_key, n.asset, n.amount, n.payload_sha256, n.created_at, n.destination_id)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_queue_pause(): CREATE OR REPLACE FUNCTION public.seal_queue_pause()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'queue_pause', n.number::text, sha256(convert_to(row(n.number, n.queue, n.provider, n.program_id, n.paused, n.reason, n.actor, n.at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_receivable_write_off(): CREATE OR REPLACE FUNCTION public.seal_receivable_write_off()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'receivable_write_off', n.id::text, sha256(convert_to(row(n.id, n.program_id, n.payee_id, n.asset, n.amount, n.reason, n.actor, n.at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_reconciliation_gap(): CREATE OR REPLACE FUNCTION public.seal_reconciliation_gap()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'reconciliation_gap', row(n.name, n.first_at)::text, sha256(convert_to(row(n.name, n.first_at, n.last_at, n.missed, n.noticed_at, n.noticed_by)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_reconciliation_slot(): CREATE OR REPLACE FUNCTION public.seal_reconciliation_slot()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'reconciliation_slot', row(n.name, n.slot_at)::text, sha256(convert_to(row(n.name, n.slot_at, n.taken_at, n.taken_by, n.skipped)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_referral(): CREATE OR REPLACE FUNCTION public.seal_referral()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'referral', row(n.program_id, n.customer_id)::text, sha256(convert_to(row(n.program_id, n.customer_id, n.affiliate_id, n.actor, n.at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_refund(): CREATE OR REPLACE FUNCTION public.seal_refund()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'refund', n.id::text, sha256(convert_to(row(n.program_id, n.invoice_id, n.settlement_id, n.customer_id, n.payee_id, n.asset, n.amount, n.escrow, n.platform_fee, n.validator_fee, n.own_holdback, n.payable, n.holdback, n.receivable, n.credited, n.retain_fees, n.cause, n.created_at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_refund_execution(): CREATE OR REPLACE FUNCTION public.seal_refund_execution()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'refund_execution', n.refund_id::text, sha256(convert_to(row(n.refund_id, n.provider, n.reference, n.actor, n.at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_role_grant(): CREATE OR REPLACE FUNCTION public.seal_role_grant()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'role_grant', n.id::text, sha256(convert_to(row(n.id, n.principal_id, n.role, n.granted_by, n.granted_at, n.program_id)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_run_finding(): CREATE OR REPLACE FUNCTION public.seal_run_finding()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'run_finding', row(n.run_id, n.number)::text, sha256(convert_to(row(n.run_id, n.number, n.identity, n.kind, n.severity, n.asset, n.at_stake, n.cause, n.day, n.detail)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_runbook_answer(): CREATE OR REPLACE FUNCTION public.seal_runbook_answer()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'runbook_answer', row(n.run_id, n.number, n.attempt)::text, sha256(convert_to(row(n.run_id, n.number, n.attempt, n.type, n.outcome, n.told, n.evidence, n.actor, n.at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_sentinel_check(): CREATE OR REPLACE FUNCTION public.seal_sentinel_check()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'sentinel_check', row(n.run_id, n.place)::text, sha256(convert_to(row(n.run_id, n.place, n.code, n.outcome, n.findings, n.took_ms, n.error, n.at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_settlement(): CREATE OR REPLACE FUNCTION public.seal_settlement()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'settlement', n.id::text, sha256(convert_to(row(n.id, n.program_id, n.invoice_id, n.payee_id, n.asset, n.gross, n.platform_fee, n.validator_fee, n.holdback, n.net, n.rate_version, n.at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_signer(): CREATE OR REPLACE FUNCTION public.seal_signer()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'signer', n.id::text, sha256(convert_to(row(n.id, n.principal_id, n.person, n.role, n.public_key, n.created_by, n.created_at, n.valid_until)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_step(): CREATE OR REPLACE FUNCTION public.seal_step()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'step', row(n.subject_id, n.step)::text, sha256(convert_to(row(n.machine, n.subject_id, n.step, n.from_state, n.verb, n.to_state, n.actor, n.reason, n.cause, n.at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_treasury_movement(): CREATE OR REPLACE FUNCTION public.seal_treasury_movement()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'treasury_movement', n.id::text, sha256(convert_to(row(n.id, n.program_id, n.asset, n.kind, n.amount, n.reference, n.reason, n.actor, n.at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_two_phase(): CREATE OR REPLACE FUNCTION public.seal_two_phase()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'two_phase', n.id::text, sha256(convert_to(row(n.id, n.program_id, n.reference, n.commits, n.participants, n.expires_at, n.created_at, n.created_by, n.coordinator, n.foreign_id, n.asked)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_two_phase_check(): CREATE OR REPLACE FUNCTION public.seal_two_phase_check()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'two_phase_check', row(n.transaction_id, n.agent_id)::text, sha256(convert_to(row(n.transaction_id, n.agent_id, n.program_id, n.agrees, n.found, n.at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_two_phase_decision(): CREATE OR REPLACE FUNCTION public.seal_two_phase_decision()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'two_phase_decision', n.transaction_id::text, sha256(convert_to(row(n.transaction_id, n.program_id, n.decision, n.cause, n.approval, n.actor, n.reason, n.at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_two_phase_outcome(): CREATE OR REPLACE FUNCTION public.seal_two_phase_outcome()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'two_phase_outcome', row(n.transaction_id, n.number)::text, sha256(convert_to(row(n.transaction_id, n.number, n.program_id, n.outcome, n.journal_id, n.at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_two_phase_participant(): CREATE OR REPLACE FUNCTION public.seal_two_phase_participant()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'two_phase_participant', row(n.transaction_id, n.number)::text, sha256(convert_to(row(n.transaction_id, n.number, n.program_id, n.agent_id, n.side, n.asset, n.amount, n.peer, n.peer_agent)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_two_phase_vote(): CREATE OR REPLACE FUNCTION public.seal_two_phase_vote()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'two_phase_vote', row(n.transaction_id, n.number)::text, sha256(convert_to(row(n.transaction_id, n.number, n.program_id, n.vote, n.why, n.hold_id, n.seq, n.mandates, n.at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_unidentified_payment(): CREATE OR REPLACE FUNCTION public.seal_unidentified_payment()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'unidentified_payment', n.id::text, sha256(convert_to(row(n.id, n.program_id, n.payment_id, n.provider, n.charge_id, n.reference, n.customer_id, n.asset, n.amount, n.cause, n.created_at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_unidentified_repayment(): CREATE OR REPLACE FUNCTION public.seal_unidentified_repayment()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'unidentified_repayment', n.unidentified_payment_id::text, sha256(convert_to(row(n.unidentified_payment_id, n.program_id, n.payment_id, n.amount, n.provider, n.reference, n.actor, n.at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_usage_import(): CREATE OR REPLACE FUNCTION public.seal_usage_import()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'usage_import', n.id::text, sha256(convert_to(row(n.id, n.program_id, n.file_name, n.sha256, n.records, n.actor, n.at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_usage_record(): CREATE OR REPLACE FUNCTION public.seal_usage_record()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'usage_record', n.id::text, sha256(convert_to(row(n.id, n.program_id, n.external_id, n.import_id, n.customer_id, n.payee_id, n.asset, n.description, n.quantity_micro, n.price_micro, n.occurred_at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_webhook_in(): CREATE OR REPLACE FUNCTION public.seal_webhook_in()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'webhook_in', n.id::text, sha256(convert_to(row(n.id, n.provider, n.event_id, n.event_type, n.received_at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

seal_write_off_limit(): CREATE OR REPLACE FUNCTION public.seal_write_off_limit()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO, YMD'
 SET bytea_output TO 'hex'
AS $function$
        begin
            insert into seal (relation, row_id, sha256) select 'write_off_limit', row(n.program_id, n.asset, n.version)::text, sha256(convert_to(row(n.program_id, n.asset, n.version, n.minor, n.reason, n.actor, n.at)::text, 'UTF8')) from  new_row n;
            return null;
        end $function$

sealed_columns(regclass,text[],text[]): CREATE OR REPLACE FUNCTION public.sealed_columns(target regclass, without text[], also text[] DEFAULT '{}'::text[])
 RETURNS text[]
 LANGUAGE sql
 STABLE
 SET search_path TO 'public', 'pg_temp'
RETURN (SELECT array_agg(named.one ORDER BY named.place) AS array_agg FROM (SELECT c.one, c.place FROM sealed_relation r, LATERAL unnest(r.columns) WITH ORDINALITY c(one, place) WHERE ((r.relation = (SELECT pg_class.relname FROM pg_class WHERE (pg_class.oid = (sealed_columns.target)::oid))) AND (c.one <> ALL (sealed_columns.without))) UNION ALL SELECT c.one, (1000 + c.place) FROM unnest(sealed_columns.also) WITH ORDINALITY c(one, place)) named)

segment_moves_on(): CREATE OR REPLACE FUNCTION public.segment_moves_on()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    if tg_op = 'UPDATE' then
        if (new.program_id, new.segment, new.first_seq) is distinct from (old.program_id, old.segment, old.first_seq) then
            raise exception 'a segment stays where it begins' using errcode = 'CF103';
        end if;
    elsif not (
        select new.segment = coalesce(max(s.segment) + 1, 0) and new.first_seq >= coalesce(max(s.first_seq), 0)
        from program_segment s where s.program_id = new.program_id)
    then
        raise exception 'segments follow one another' using errcode = 'CF103';
    end if;
    return new;
end $function$

segment_size(): CREATE OR REPLACE FUNCTION public.segment_size()
 RETURNS bigint
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO 'public', 'pg_temp'
RETURN 32768

segments_between(bigint,bigint,bigint): CREATE OR REPLACE FUNCTION public.segments_between(account_id bigint, from_seq bigint, end_seq bigint)
 RETURNS integer[]
 LANGUAGE sql
 STABLE PARALLEL SAFE
 SET search_path TO 'public', 'pg_temp'
RETURN ARRAY(SELECT generate_series(COALESCE((SELECT s.segment FROM program_segment s WHERE ((s.program_id = b.program_id) AND (s.first_seq <= (segments_between.from_seq - ((86700000)::bigint << 20)))) ORDER BY s.first_seq DESC, s.segment DESC LIMIT 1), 0), (SELECT s.segment FROM program_segment s WHERE ((s.program_id = b.program_id) AND (s.first_seq < segments_between.end_seq)) ORDER BY s.first_seq DESC, s.segment DESC LIMIT 1)) AS generate_series FROM book b WHERE (b.id = (segments_between.account_id >> 40)))

segments_of(bigint): CREATE OR REPLACE FUNCTION public.segments_of(account_id bigint)
 RETURNS integer[]
 LANGUAGE sql
 STABLE PARALLEL SAFE
 SET search_path TO 'public', 'pg_temp'
RETURN segments_between(account_id, (0)::bigint, '9223372036854775807'::bigint)

signed_by_another(): CREATE OR REPLACE FUNCTION public.signed_by_another()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    if exists (select from client_money c where c.id = new.client_money_id and (c.made_by = new.signed_by or c.sha256 <> new.sha256)) then
        raise exception 'a statement of client money is signed by another person than its maker, as it was made' using errcode = 'CF002';
    end if;
    return new;
end $function$

signers_known(text[],text,timestamp with time zone): CREATE OR REPLACE FUNCTION public.signers_known(names text[], program_asked text, moment timestamp with time zone)
 RETURNS SETOF text
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    return query
    select 'person:' || p.name from principal p
    where p.kind = 'person' and 'person:' || p.name = any (names) and p.disabled_at is null
          and (p.program_id is null or p.program_id = program_asked)
    union
    select 'key:' || k.name from api_key k
    where 'key:' || k.name = any (names) and k.revoked_at is null and (k.expires_at is null or k.expires_at > moment)
          and (k.program_id is null or k.program_id = program_asked);
end $function$

state_follows_table(): CREATE OR REPLACE FUNCTION public.state_follows_table()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
declare
    known  boolean;
    paired boolean;
begin
    if new.state is distinct from old.state then
        select count(*) > 0, bool_and(needs_pair) into known, paired
        from transition where machine = tg_argv[0] and from_state = old.state and to_state = new.state;
        if not known then
            raise exception '%: % to % is not a transition', tg_argv[0], old.state, new.state using errcode = 'CF002';
        end if;
        if paired and not exists (
            select from approval_use where machine = tg_argv[0] and subject_id = new.id and step = new.steps) then
            raise '%: % to % needs the approval of a second person', tg_argv[0], old.state, new.state using errcode = 'CF360';
        end if;
    end if;
    return new;
end $function$

told_amount(bigint,text): CREATE OR REPLACE FUNCTION public.told_amount(minor bigint, code text)
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO 'public', 'pg_temp'
AS $function$
    select coalesce((
        select case when minor < 0 then '-' else '' end
               || to_char(left(digits, length(digits) - scale)::numeric, 'FM9,999,999,999,999,999,990')
               || case when scale > 0 then '.' || right(digits, scale) else '' end || ' ' || code
        from (select a.scale, lpad(abs(minor::numeric)::text, greatest(a.scale + 1, length(abs(minor::numeric)::text)), '0') as digits
              from asset a where a.code = told_amount.code) a), minor || ' minor units of ' || code)
$function$

treasury_held(text,text): CREATE OR REPLACE FUNCTION public.treasury_held(program text, of_asset text)
 RETURNS numeric
 LANGUAGE sql
 STABLE
 SET search_path TO 'public', 'pg_temp'
RETURN ((COALESCE((SELECT (a.credits - a.debits) FROM (account a JOIN book b ON ((b.id = a.book_id))) WHERE ((b.program_id = treasury_held.program) AND (b.asset = treasury_held.of_asset) AND (a.name = 'fee:platform'::text))), (0)::bigint))::numeric - COALESCE((SELECT sum(m.amount) AS sum FROM treasury_movement m WHERE ((m.program_id = treasury_held.program) AND (m.asset = treasury_held.of_asset) AND (m.kind = 'withdrawal'::text))), (0)::numeric))

two_people(): CREATE OR REPLACE FUNCTION public.two_people()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
declare
    fitting boolean;
begin
    if not was_administered() then
        return null;
    end if;
    execute format($query$
        select %s or exists (
            select from approval_use u
            join approval_proposal a on a.id = u.proposal_id
            cross join lateral (select a.payload) as said (p)
            where u.machine = %L and u.verb = %L and u.subject_id = %s and u.written_by = pg_current_xact_id() and (%s))
        from (select ($1).*) n $query$, tg_argv[4], tg_argv[0], tg_argv[1], tg_argv[2], tg_argv[3])
    into fitting using new;
    if fitting is not true then
        raise '%: this takes two people: % of % was not approved as it is written', tg_table_name, tg_argv[1], tg_argv[0]
            using errcode = 'CF360';
    end if;
    return null;
end $function$

two_phase_agent_account(text): CREATE OR REPLACE FUNCTION public.two_phase_agent_account(agent text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO 'public', 'pg_temp'
RETURN ('treasury:agent:'::text || agent)

two_phase_decision_fits(): CREATE OR REPLACE FUNCTION public.two_phase_decision_fits()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
declare
    wrong record;
begin
    perform from two_phase where id = any(array(select transaction_id from new_decision)) order by id for update;
    select n.transaction_id, t.coordinator, n.decision = 'commit' and t.participants <> (
               select count(*) from two_phase_vote v where v.transaction_id = n.transaction_id and v.vote = 'yes') as early
    into wrong
    from new_decision n
    cross join lateral (select t.coordinator, t.participants from two_phase t where t.id = n.transaction_id offset 0) t
    where (t.coordinator is null) = (n.cause = 'told') and not (t.coordinator is not null and n.cause = 'no_vote')
       or n.decision = 'commit' and t.participants <> (
           select count(*) from two_phase_vote v where v.transaction_id = n.transaction_id and v.vote = 'yes')
    limit 1;
    if wrong.early then
        raise 'transaction %: commit is decided once every participant has promised', wrong.transaction_id using errcode = 'CF002';
    elsif found then
        raise 'transaction %: it is decided by %', wrong.transaction_id, coalesce(wrong.coordinator, 'this server') using errcode = 'CF002';
    end if;
    return null;
end $function$

two_phase_follows_records(): CREATE OR REPLACE FUNCTION public.two_phase_follows_records()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
 SET enable_nestloop TO 'off'
AS $function$  -- old rows and new ones are as many, and never looked for one by one
declare
    wrong record;
begin
    select n.id, n.state into wrong
    from new_row n
    join old_row o on o.id = n.id
    left join lateral (select d.decision from two_phase_decision d where d.transaction_id = n.id offset 0) d on true
    where n.state <> o.state and case n.state
        when 'preparing' then d.decision is not null
        when 'prepared' then d.decision is not null or
            (select count(*) from two_phase_vote v where v.transaction_id = n.id and v.vote = 'yes') <> n.participants
        when 'committing' then d.decision is distinct from 'commit'
        when 'aborting' then d.decision is distinct from 'abort'
        when 'committed' then (select count(*) from two_phase_outcome o where o.transaction_id = n.id and o.outcome = 'applied') <> n.participants
        when 'aborted' then (select count(*) from two_phase_outcome o where o.transaction_id = n.id and o.outcome = 'released') <> n.participants
        else true end
    limit 1;
    if found then
        raise 'transaction %: its records do not say %', wrong.id, wrong.state using errcode = 'CF002';
    end if;
    return null;
end $function$

two_phase_is_balanced(): CREATE OR REPLACE FUNCTION public.two_phase_is_balanced()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    if (select count(*) from two_phase_participant p where p.transaction_id = new.id) <> new.participants or exists (
        select from two_phase_participant p where p.transaction_id = new.id group by p.asset
        having sum(case p.side when 'debit' then p.amount else -p.amount end) <> 0) or exists (
        select from two_phase_participant p left join agent a on a.id = p.agent_id
        where p.transaction_id = new.id and (a.program_id <> new.program_id or p.program_id <> new.program_id
              or p.peer is not null and (p.peer_agent is null) <> (new.coordinator is not null))) then
        raise 'transaction %: as much is debited as credited in each asset, among agents of its program', new.id using errcode = 'CF002';
    end if;
    return null;
end $function$

two_phase_outcome_fits(): CREATE OR REPLACE FUNCTION public.two_phase_outcome_fits()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
declare
    wrong record;
begin
    perform from two_phase where id = any(array(select transaction_id from new_outcome)) order by id for update;
    select n.transaction_id, n.number, n.outcome into wrong
    from new_outcome n
    left join lateral (select d.decision from two_phase_decision d where d.transaction_id = n.transaction_id offset 0) d on true
    left join lateral (
        select v.hold_id from two_phase_vote v where (v.transaction_id, v.number) = (n.transaction_id, n.number) offset 0) v on true
    left join lateral (
        select r.verb, r.journal_id, r.amount = h.amount as whole from hold_resolution r join hold h on h.id = r.hold_id
        where r.hold_id = v.hold_id offset 0) r on true
    where not coalesce(case n.outcome
        when 'applied' then d.decision = 'commit' and r.verb = 'post' and r.whole and r.journal_id = n.journal_id
        else d.decision = 'abort' and (v.hold_id is null or r.verb = 'void') end, false)
    limit 1;
    if found then
        raise 'transaction %: participant % % what it promised, once % is decided', wrong.transaction_id, wrong.number,
            case wrong.outcome when 'applied' then 'applies' else 'releases' end,
            case wrong.outcome when 'applied' then 'commit' else 'abort' end using errcode = 'CF002';
    end if;
    return null;
end $function$

two_phase_promise(text,integer): CREATE OR REPLACE FUNCTION public.two_phase_promise(txn text, participant integer)
 RETURNS TABLE(debit text, credit text)
 LANGUAGE sql
 STABLE
 SET search_path TO 'public', 'pg_temp'
AS $function$
    select case p.side when 'debit' then o.name else 'two_phase' end, case p.side when 'debit' then 'two_phase' else o.name end
    from two_phase_participant p
    cross join lateral (select coalesce(two_phase_agent_account(p.agent_id), 'clearing:' || p.peer) as name) o
    where (p.transaction_id, p.number) = (txn, participant)
$function$

two_phase_vote_fits(): CREATE OR REPLACE FUNCTION public.two_phase_vote_fits()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
declare
    wrong record;
begin  -- the accounts are those of two_phase_promise: calling that for each row would cost more than all the rest
    perform from two_phase where id = any(array(select transaction_id from new_vote)) order by id for update;
    select v.transaction_id, v.number, w.over, w.why into wrong
    from new_vote v
    cross join lateral (select t.program_id, t.state from two_phase t where t.id = v.transaction_id offset 0) t
    cross join lateral (
        select p.* from two_phase_participant p where (p.transaction_id, p.number) = (v.transaction_id, v.number) offset 0) p
    cross join lateral (
        select t.state <> 'preparing' or exists (select from two_phase_decision d where d.transaction_id = v.transaction_id)
               or exists (select from two_phase_outcome o where (o.transaction_id, o.number) = (v.transaction_id, v.number)) as over,
               case when v.vote = 'yes' and p.side = 'debit' and p.agent_id is not null
                    then mandate_refuses(v.transaction_id, v.number, v.at, v.seq, v.mandates) end as why offset 0) w
    cross join lateral (select coalesce('treasury:agent:' || p.agent_id, 'clearing:' || p.peer) as name offset 0) o
    where w.over or v.vote = 'yes' and (w.why is not null or not exists (
              select from hold h
              join account d on d.id = h.debit join account c on c.id = h.credit join book b on b.id = d.book_id
              where h.id = v.hold_id and h.promised and (h.source_type, h.source_id) = ('two_phase', v.transaction_id || ':' || v.number)
                    and (b.program_id, b.asset, h.amount) = (t.program_id, p.asset, p.amount)
                    and (d.name, c.name) = (case p.side when 'debit' then o.name else 'two_phase' end,
                                            case p.side when 'debit' then 'two_phase' else o.name end)
                    and exists (select from open_hold u where u.hold_id = h.id) offset 0)
          or p.agent_id is not null and not exists (
              select from agent a where a.id = p.agent_id and case p.side when 'debit' then a.state = 'active' else a.state <> 'closed' end))
    limit 1;
    if wrong.over then
        raise 'transaction %: participant % votes no more', wrong.transaction_id, wrong.number using errcode = 'CF002';
    elsif found then
        raise 'transaction %: participant % promises nothing: %', wrong.transaction_id, wrong.number,
            coalesce(wrong.why, 'its hold or its agent is another') using errcode = 'CF002';
    end if;
    return null;
end $function$

two_phase_vote_is_numbered(): CREATE OR REPLACE FUNCTION public.two_phase_vote_is_numbered()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
declare
    payer text := (select agent_id from two_phase_participant where (transaction_id, number) = (new.transaction_id, new.number));
begin
    perform from agent where id = payer for update;
    new.seq := nextval('two_phase_vote_seq');  -- under that lock: who votes later sees what this one promised
    new.mandates := (select count(*) from agent_mandate m where m.agent_id = payer);
    return new;
end $function$

unidentified_payment_is_repaid_whole(): CREATE OR REPLACE FUNCTION public.unidentified_payment_is_repaid_whole()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
declare
    cb text;
begin
    perform lock_payments(array[new.payment_id]);
    cb := (select min(c.id) from chargeback c where c.payment_id = new.payment_id and c.state = 'open');
    if cb is not null then
        raise 'chargeback % of payment % is open: nothing of it goes back until the bank has decided', cb, new.payment_id
            using errcode = 'CF002';
    elsif not exists (select from unidentified_payment u where u.id = new.unidentified_payment_id
                      and (u.program_id, u.payment_id) = (new.program_id, new.payment_id))
       or new.amount is distinct from payment_unused(new.payment_id) then
        raise 'unidentified payment %: % is left of it, not %', new.unidentified_payment_id, payment_unused(new.payment_id), new.amount
            using errcode = 'CF002';
    end if;
    return new;
end $function$

was_administered(): CREATE OR REPLACE FUNCTION public.was_administered()
 RETURNS boolean
 LANGUAGE sql
 STABLE
 SET search_path TO 'public', 'pg_temp'
RETURN ((EXISTS (SELECT FROM role_grant g WHERE ((g.role = 'administrator'::text) AND (g.written_by IS DISTINCT FROM pg_current_xact_id())))) OR (EXISTS (SELECT FROM api_key k WHERE ((k.role = 'administrator'::text) AND (k.written_by IS DISTINCT FROM pg_current_xact_id())))))

withdrawn_within_earned(): CREATE OR REPLACE FUNCTION public.withdrawn_within_earned()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
    perform pg_advisory_xact_lock(hashtextextended('treasury:' || new.program_id || ':' || new.asset, 0));  -- of two at once the later sees the earlier
    if new.kind = 'withdrawal' and new.amount > treasury_held(new.program_id, new.asset) then
        raise 'no more is withdrawn than was earned: % of %', treasury_held(new.program_id, new.asset), new.asset using errcode = 'CF002';
    end if;
    return new;
end $function$


-- aggregates
total(bigint): int8pl into bigint from 0

-- rights
access_attempt: counterfoil_app: delete, insert, select, update
access_attempt: counterfoil_auditor: select
access_attempt: owner: counterfoil_owner
access_event: counterfoil_app: insert, select
access_event: counterfoil_auditor: select
access_event: owner: counterfoil_owner
account: counterfoil_app: insert, select
account: counterfoil_auditor: select
account: owner: counterfoil_owner
account_flag: counterfoil_app: insert, select
account_flag: counterfoil_auditor: select
account_flag: owner: counterfoil_owner
account_guard: counterfoil_app: select
account_guard: counterfoil_auditor: select
account_guard: owner: counterfoil_owner
account_serial: counterfoil_app: select, usage
account_serial: counterfoil_auditor: select
account_serial: owner: counterfoil_owner
action: counterfoil_app: insert, select
action: counterfoil_auditor: select
action: owner: counterfoil_owner
action_origin: counterfoil_app: insert, select
action_origin: counterfoil_auditor: select
action_origin: owner: counterfoil_owner
affiliate: counterfoil_app: insert, select
affiliate: counterfoil_app: update (attempt)
affiliate: counterfoil_app: update (due_at)
affiliate: counterfoil_app: update (fence)
affiliate: counterfoil_app: update (last_error)
affiliate: counterfoil_app: update (lease_owner)
affiliate: counterfoil_app: update (lease_until)
affiliate: counterfoil_app: update (state)
affiliate: counterfoil_app: update (state_at)
affiliate: counterfoil_app: update (steps)
affiliate: counterfoil_auditor: select
affiliate: owner: counterfoil_owner
affiliate_placement: counterfoil_app: insert, select
affiliate_placement: counterfoil_auditor: select
affiliate_placement: owner: counterfoil_owner
agent: counterfoil_app: insert, select
agent: counterfoil_app: update (state)
agent: counterfoil_app: update (state_at)
agent: counterfoil_app: update (steps)
agent: counterfoil_auditor: select
agent: owner: counterfoil_owner
agent_mandate: counterfoil_app: insert, select
agent_mandate: counterfoil_auditor: select
agent_mandate: owner: counterfoil_owner
alert: counterfoil_app: insert, select
alert: counterfoil_app: update (accepted_until)
alert: counterfoil_app: update (attempt)
alert: counterfoil_app: update (due_at)
alert: counterfoil_app: update (escalated_to)
alert: counterfoil_app: update (evidence)
alert: counterfoil_app: update (extent)
alert: counterfoil_app: update (fence)
alert: counterfoil_app: update (gone_run)
alert: counterfoil_app: update (incident_id)
alert: counterfoil_app: update (last_error)
alert: counterfoil_app: update (last_run)
alert: counterfoil_app: update (last_seen_at)
alert: counterfoil_app: update (lease_owner)
alert: counterfoil_app: update (lease_until)
alert: counterfoil_app: update (owner)
alert: counterfoil_app: update (respond_by)
alert: counterfoil_app: update (rest)
alert: counterfoil_app: update (severity)
alert: counterfoil_app: update (snoozed_until)
alert: counterfoil_app: update (state)
alert: counterfoil_app: update (state_at)
alert: counterfoil_app: update (steps)
alert: counterfoil_app: update (times)
alert: counterfoil_app: update (untold_since)
alert: counterfoil_auditor: select
alert: owner: counterfoil_owner
api_key: counterfoil_app: insert, select
api_key: counterfoil_app: update (last_used_at)
api_key: counterfoil_app: update (revoked_at)
api_key: counterfoil_auditor: select (created_at)
api_key: counterfoil_auditor: select (created_by)
api_key: counterfoil_auditor: select (expires_at)
api_key: counterfoil_auditor: select (hint)
api_key: counterfoil_auditor: select (id)
api_key: counterfoil_auditor: select (last_used_at)
api_key: counterfoil_auditor: select (name)
api_key: counterfoil_auditor: select (principal_id)
api_key: counterfoil_auditor: select (program_id)
api_key: counterfoil_auditor: select (revoked_at)
api_key: counterfoil_auditor: select (role)
api_key: counterfoil_auditor: select (scopes)
api_key: counterfoil_auditor: select (skeleton)
api_key: counterfoil_auditor: select (written_by)
api_key: owner: counterfoil_owner
api_key_secret: counterfoil_app: insert, select
api_key_secret: counterfoil_auditor: select (api_key_id)
api_key_secret: counterfoil_auditor: select (before_until)
api_key_secret: counterfoil_auditor: select (created_at)
api_key_secret: counterfoil_auditor: select (created_by)
api_key_secret: counterfoil_auditor: select (hint)
api_key_secret: counterfoil_auditor: select (id)
api_key_secret: counterfoil_auditor: select (number)
api_key_secret: counterfoil_auditor: select (overlap)
api_key_secret: owner: counterfoil_owner
approval_decision: counterfoil_app: insert, select
approval_decision: counterfoil_auditor: select
approval_decision: owner: counterfoil_owner
approval_proposal: counterfoil_app: insert, select
approval_proposal: counterfoil_auditor: select
approval_proposal: owner: counterfoil_owner
approval_use: counterfoil_app: insert, select
approval_use: counterfoil_auditor: select
approval_use: owner: counterfoil_owner
approving_role: counterfoil_app: select
approving_role: counterfoil_auditor: select
approving_role: owner: counterfoil_owner
asset: counterfoil_app: insert, select
asset: counterfoil_auditor: select
asset: owner: counterfoil_owner
audit_record: counterfoil_app: select
audit_record: counterfoil_auditor: select
audit_record: owner: counterfoil_owner
backup: counterfoil_app: insert, select
backup: counterfoil_app: update (bytes)
backup: counterfoil_app: update (error)
backup: counterfoil_app: update (finished_at)
backup: counterfoil_app: update (key_id)
backup: counterfoil_app: update (log_root)
backup: counterfoil_app: update (log_size)
backup: counterfoil_app: update (manifest_sha256)
backup: counterfoil_app: update (migration)
backup: counterfoil_app: update (server_version)
backup: counterfoil_app: update (sha256)
backup: counterfoil_app: update (snapshot_at)
backup: counterfoil_app: update (state)
backup: counterfoil_app: update (state_at)
backup: counterfoil_app: update (steps)
backup: counterfoil_auditor: select
backup: owner: counterfoil_owner
bank_file: counterfoil_app: insert, select
bank_file: counterfoil_auditor: select (account)
bank_file: counterfoil_auditor: select (actor)
bank_file: counterfoil_auditor: select (at)
bank_file: counterfoil_auditor: select (envelope)
bank_file: counterfoil_auditor: select (file_name)
bank_file: counterfoil_auditor: select (format)
bank_file: counterfoil_auditor: select (id)
bank_file: counterfoil_auditor: select (known)
bank_file: counterfoil_auditor: select (new)
bank_file: counterfoil_auditor: select (notes)
bank_file: counterfoil_auditor: select (program_id)
bank_file: counterfoil_auditor: select (records)
bank_file: counterfoil_auditor: select (rejected_count)
bank_file: counterfoil_auditor: select (sha256)
bank_file: owner: counterfoil_owner
bank_line: counterfoil_app: insert, select
bank_line: counterfoil_auditor: select (account)
bank_line: counterfoil_auditor: select (amount)
bank_line: counterfoil_auditor: select (asset)
bank_line: counterfoil_auditor: select (bank_account)
bank_line: counterfoil_auditor: select (batch)
bank_line: counterfoil_auditor: select (booked_on)
bank_line: counterfoil_auditor: select (entry)
bank_line: counterfoil_auditor: select (envelope)
bank_line: counterfoil_auditor: select (external_id)
bank_line: counterfoil_auditor: select (file_id)
bank_line: counterfoil_auditor: select (key)
bank_line: counterfoil_auditor: select (line)
bank_line: counterfoil_auditor: select (position)
bank_line: counterfoil_auditor: select (program_id)
bank_line: counterfoil_auditor: select (statement)
bank_line: counterfoil_auditor: select (value_on)
bank_line: owner: counterfoil_owner
bank_line_counted: counterfoil_app: select
bank_line_counted: counterfoil_auditor: select (account)
bank_line_counted: counterfoil_auditor: select (amount)
bank_line_counted: counterfoil_auditor: select (asset)
bank_line_counted: counterfoil_auditor: select (bank_account)
bank_line_counted: counterfoil_auditor: select (batch)
bank_line_counted: counterfoil_auditor: select (booked_on)
bank_line_counted: counterfoil_auditor: select (entry)
bank_line_counted: counterfoil_auditor: select (envelope)
bank_line_counted: counterfoil_auditor: select (external_id)
bank_line_counted: counterfoil_auditor: select (file_id)
bank_line_counted: counterfoil_auditor: select (key)
bank_line_counted: counterfoil_auditor: select (line)
bank_line_counted: counterfoil_auditor: select (position)
bank_line_counted: counterfoil_auditor: select (program_id)
bank_line_counted: counterfoil_auditor: select (statement)
bank_line_counted: counterfoil_auditor: select (value_on)
bank_line_counted: owner: counterfoil_owner
bank_line_withdrawn: counterfoil_app: insert, select
bank_line_withdrawn: counterfoil_auditor: select
bank_line_withdrawn: owner: counterfoil_owner
bank_report: counterfoil_app: insert, select
bank_report: counterfoil_auditor: select (actor)
bank_report: counterfoil_auditor: select (at)
bank_report: counterfoil_auditor: select (envelope)
bank_report: counterfoil_auditor: select (file_id)
bank_report: counterfoil_auditor: select (file_name)
bank_report: counterfoil_auditor: select (format)
bank_report: counterfoil_auditor: select (id)
bank_report: counterfoil_auditor: select (program_id)
bank_report: counterfoil_auditor: select (provider)
bank_report: counterfoil_auditor: select (sha256)
bank_report: counterfoil_auditor: select (told)
bank_report: owner: counterfoil_owner
bank_statement: counterfoil_app: insert, select
bank_statement: counterfoil_auditor: select
bank_statement: owner: counterfoil_owner
book: counterfoil_app: insert, select
book: counterfoil_auditor: select
book: owner: counterfoil_owner
book_id_seq: counterfoil_app: select, usage
book_id_seq: counterfoil_auditor: select
book_id_seq: owner: counterfoil_owner
break: counterfoil_app: insert, select
break: counterfoil_app: update (accepted_at_stake)
break: counterfoil_app: update (accepted_sha256)
break: counterfoil_app: update (at_stake)
break: counterfoil_app: update (cause)
break: counterfoil_app: update (difference)
break: counterfoil_app: update (due_on)
break: counterfoil_app: update (duplicate_of)
break: counterfoil_app: update (evidence_sha256)
break: counterfoil_app: update (gone_run)
break: counterfoil_app: update (last_number)
break: counterfoil_app: update (last_run)
break: counterfoil_app: update (owner)
break: counterfoil_app: update (posted_after)
break: counterfoil_app: update (seen_number)
break: counterfoil_app: update (severity)
break: counterfoil_app: update (state)
break: counterfoil_app: update (state_at)
break: counterfoil_app: update (steps)
break: counterfoil_auditor: select
break: owner: counterfoil_owner
break_proposal: counterfoil_app: insert, select
break_proposal: counterfoil_auditor: select
break_proposal: owner: counterfoil_owner
break_remark: counterfoil_app: insert, select
break_remark: counterfoil_auditor: select
break_remark: owner: counterfoil_owner
call: counterfoil_app: insert, select
call: counterfoil_auditor: select
call: owner: counterfoil_owner
call_answer: counterfoil_app: insert, select
call_answer: counterfoil_app: update (applied_at)
call_answer: counterfoil_app: update (attempt)
call_answer: counterfoil_app: update (due_at)
call_answer: counterfoil_app: update (fence)
call_answer: counterfoil_app: update (last_error)
call_answer: counterfoil_app: update (lease_owner)
call_answer: counterfoil_app: update (lease_until)
call_answer: counterfoil_app: update (state)
call_answer: counterfoil_auditor: select
call_answer: owner: counterfoil_owner
call_standing: counterfoil_app: select
call_standing: counterfoil_auditor: select
call_standing: owner: counterfoil_owner
carbon_bill: counterfoil_app: insert, select
carbon_bill: counterfoil_auditor: select
carbon_bill: owner: counterfoil_owner
carbon_bill_line: counterfoil_app: insert, select
carbon_bill_line: counterfoil_auditor: select
carbon_bill_line: owner: counterfoil_owner
carbon_credit: counterfoil_app: insert, select
carbon_credit: counterfoil_auditor: select
carbon_credit: owner: counterfoil_owner
carbon_energy: counterfoil_app: insert, select
carbon_energy: counterfoil_auditor: select
carbon_energy: owner: counterfoil_owner
carbon_fetch: counterfoil_app: insert, select
carbon_fetch: counterfoil_auditor: select
carbon_fetch: owner: counterfoil_owner
carbon_intensity: counterfoil_app: insert, select
carbon_intensity: counterfoil_auditor: select
carbon_intensity: owner: counterfoil_owner
carbon_posting: counterfoil_app: insert, select
carbon_posting: counterfoil_auditor: select
carbon_posting: owner: counterfoil_owner
carbon_retirement: counterfoil_app: insert, select
carbon_retirement: counterfoil_auditor: select
carbon_retirement: owner: counterfoil_owner
carbon_sync: counterfoil_app: insert, select
carbon_sync: counterfoil_auditor: select
carbon_sync: owner: counterfoil_owner
chain_gas: counterfoil_app: insert, select
chain_gas: counterfoil_auditor: select
chain_gas: owner: counterfoil_owner
chain_order: counterfoil_app: insert, select
chain_order: counterfoil_auditor: select
chain_order: owner: counterfoil_owner
chain_sender: counterfoil_app: insert, select, update
chain_sender: counterfoil_auditor: select
chain_sender: owner: counterfoil_owner
chain_sighting: counterfoil_app: insert, select
chain_sighting: counterfoil_auditor: select
chain_sighting: owner: counterfoil_owner
chain_transaction: counterfoil_app: insert, select
chain_transaction: counterfoil_auditor: select
chain_transaction: owner: counterfoil_owner
chargeback: counterfoil_app: insert, select
chargeback: counterfoil_app: update (answer_by)
chargeback: counterfoil_app: update (ended_at)
chargeback: counterfoil_app: update (fee_back)
chargeback: counterfoil_app: update (state)
chargeback: counterfoil_app: update (state_at)
chargeback: counterfoil_app: update (steps)
chargeback: counterfoil_auditor: select
chargeback: owner: counterfoil_owner
chargeback_conflict: counterfoil_app: insert, select
chargeback_conflict: counterfoil_auditor: select
chargeback_conflict: owner: counterfoil_owner
chargeback_debt: counterfoil_app: insert, select
chargeback_debt: counterfoil_auditor: select
chargeback_debt: owner: counterfoil_owner
chargeback_escrow: counterfoil_app: insert, select
chargeback_escrow: counterfoil_auditor: select
chargeback_escrow: owner: counterfoil_owner
chargeback_refund: counterfoil_app: insert, select
chargeback_refund: counterfoil_auditor: select
chargeback_refund: owner: counterfoil_owner
chargeback_repaid: counterfoil_app: insert, select
chargeback_repaid: counterfoil_auditor: select
chargeback_repaid: owner: counterfoil_owner
chargeback_ruling: counterfoil_app: insert, select
chargeback_ruling: counterfoil_auditor: select
chargeback_ruling: owner: counterfoil_owner
circuit: counterfoil_app: insert, select, update
circuit: counterfoil_auditor: select
circuit: owner: counterfoil_owner
client_money: counterfoil_app: insert, select
client_money: counterfoil_auditor: select
client_money: owner: counterfoil_owner
client_money_signature: counterfoil_app: insert, select
client_money_signature: counterfoil_auditor: select
client_money_signature: owner: counterfoil_owner
commission: counterfoil_app: insert, select
commission: counterfoil_app: update (attempt)
commission: counterfoil_app: update (due_at)
commission: counterfoil_app: update (fence)
commission: counterfoil_app: update (last_error)
commission: counterfoil_app: update (lease_owner)
commission: counterfoil_app: update (lease_until)
commission: counterfoil_app: update (paid)
commission: counterfoil_app: update (payment_id)
commission: counterfoil_app: update (state)
commission: counterfoil_app: update (state_at)
commission: counterfoil_app: update (steps)
commission: counterfoil_auditor: select
commission: owner: counterfoil_owner
commission_payment: counterfoil_app: insert, select
commission_payment: counterfoil_auditor: select
commission_payment: owner: counterfoil_owner
commission_rate: counterfoil_app: insert, select
commission_rate: counterfoil_auditor: select
commission_rate: owner: counterfoil_owner
commission_reversal: counterfoil_app: insert, select
commission_reversal: counterfoil_auditor: select
commission_reversal: owner: counterfoil_owner
commission_sale: counterfoil_app: insert, select
commission_sale: counterfoil_auditor: select
commission_sale: owner: counterfoil_owner
credit_note: counterfoil_app: insert, select
credit_note: counterfoil_auditor: select
credit_note: owner: counterfoil_owner
customer_account: counterfoil_app: select
customer_account: counterfoil_auditor: select
customer_account: owner: counterfoil_owner
customer_balance: counterfoil_app: select
customer_balance: counterfoil_auditor: select
customer_balance: owner: counterfoil_owner
customer_debt_entry: counterfoil_app: insert, select
customer_debt_entry: counterfoil_auditor: select
customer_debt_entry: owner: counterfoil_owner
customer_entry: counterfoil_app: select
customer_entry: counterfoil_auditor: select
customer_entry: owner: counterfoil_owner
debt: counterfoil_app: select
debt: counterfoil_auditor: select
debt: owner: counterfoil_owner
destination: counterfoil_app: insert, select
destination: counterfoil_app: update (ended_at)
destination: counterfoil_app: update (state)
destination: counterfoil_app: update (state_at)
destination: counterfoil_app: update (steps)
destination: counterfoil_auditor: select (actor)
destination: counterfoil_auditor: select (created_at)
destination: counterfoil_auditor: select (ended_at)
destination: counterfoil_auditor: select (envelope)
destination: counterfoil_auditor: select (fingerprint)
destination: counterfoil_auditor: select (id)
destination: counterfoil_auditor: select (payee_id)
destination: counterfoil_auditor: select (program_id)
destination: counterfoil_auditor: select (provider)
destination: counterfoil_auditor: select (state)
destination: counterfoil_auditor: select (state_at)
destination: counterfoil_auditor: select (steps)
destination: owner: counterfoil_owner
dispute: counterfoil_app: insert, select
dispute: counterfoil_app: update (appeal_until)
dispute: counterfoil_app: update (appealed_by)
dispute: counterfoil_app: update (attempt)
dispute: counterfoil_app: update (booked)
dispute: counterfoil_app: update (due_at)
dispute: counterfoil_app: update (ended_at)
dispute: counterfoil_app: update (fence)
dispute: counterfoil_app: update (last_error)
dispute: counterfoil_app: update (lease_owner)
dispute: counterfoil_app: update (lease_until)
dispute: counterfoil_app: update (level)
dispute: counterfoil_app: update (outcome)
dispute: counterfoil_app: update (refund)
dispute: counterfoil_app: update (refund_id)
dispute: counterfoil_app: update (resolved_by)
dispute: counterfoil_app: update (retain_fees)
dispute: counterfoil_app: update (state)
dispute: counterfoil_app: update (state_at)
dispute: counterfoil_app: update (steps)
dispute: counterfoil_auditor: select
dispute: owner: counterfoil_owner
dispute_evidence: counterfoil_app: insert, select
dispute_evidence: counterfoil_auditor: select
dispute_evidence: owner: counterfoil_owner
drill: counterfoil_app: insert, select
drill: counterfoil_app: update (backup_id)
drill: counterfoil_app: update (beat_at)
drill: counterfoil_app: update (error)
drill: counterfoil_app: update (evidence)
drill: counterfoil_app: update (finished_at)
drill: counterfoil_app: update (lost_entries)
drill: counterfoil_app: update (lost_s)
drill: counterfoil_app: update (progress)
drill: counterfoil_app: update (restore_ms)
drill: counterfoil_app: update (root_matches)
drill: counterfoil_app: update (started_at)
drill: counterfoil_app: update (state)
drill: counterfoil_app: update (state_at)
drill: counterfoil_app: update (steps)
drill: counterfoil_auditor: select
drill: owner: counterfoil_owner
drill_check: counterfoil_app: insert, select
drill_check: counterfoil_auditor: select
drill_check: owner: counterfoil_owner
escrow: counterfoil_app: insert, select
escrow: counterfoil_app: update (attempt)
escrow: counterfoil_app: update (due_at)
escrow: counterfoil_app: update (fence)
escrow: counterfoil_app: update (last_error)
escrow: counterfoil_app: update (lease_owner)
escrow: counterfoil_app: update (lease_until)
escrow: counterfoil_app: update (state)
escrow: counterfoil_app: update (state_at)
escrow: counterfoil_app: update (steps)
escrow: counterfoil_app: update (warned_at)
escrow: counterfoil_auditor: select
escrow: owner: counterfoil_owner
escrow_condition: counterfoil_app: insert, select
escrow_condition: counterfoil_auditor: select
escrow_condition: owner: counterfoil_owner
escrow_evidence: counterfoil_app: insert, select
escrow_evidence: counterfoil_auditor: select
escrow_evidence: owner: counterfoil_owner
escrow_movement: counterfoil_app: insert, select
escrow_movement: counterfoil_auditor: select
escrow_movement: owner: counterfoil_owner
event: counterfoil_app: insert, select
event: counterfoil_app: update (attempt)
event: counterfoil_app: update (due_at)
event: counterfoil_app: update (fence)
event: counterfoil_app: update (last_error)
event: counterfoil_app: update (lease_owner)
event: counterfoil_app: update (lease_until)
event: counterfoil_app: update (state)
event: counterfoil_app: update (state_at)
event: counterfoil_app: update (steps)
event: counterfoil_auditor: select
event: owner: counterfoil_owner
fee_limit: counterfoil_app: insert, select
fee_limit: counterfoil_auditor: select
fee_limit: owner: counterfoil_owner
fee_rate: counterfoil_app: insert, select
fee_rate: counterfoil_auditor: select
fee_rate: owner: counterfoil_owner
fee_term: counterfoil_app: insert, select
fee_term: counterfoil_auditor: select
fee_term: owner: counterfoil_owner
fee_version: counterfoil_app: select
fee_version: counterfoil_auditor: select
fee_version: owner: counterfoil_owner
hold: counterfoil_app: insert, select
hold: counterfoil_auditor: select
hold: owner: counterfoil_owner
hold_resolution: counterfoil_app: insert, select
hold_resolution: counterfoil_auditor: select
hold_resolution: owner: counterfoil_owner
holdback_term: counterfoil_app: insert, select
holdback_term: counterfoil_auditor: select
holdback_term: owner: counterfoil_owner
holdback_tranche: counterfoil_app: insert, select
holdback_tranche: counterfoil_app: update (attempt)
holdback_tranche: counterfoil_app: update (due_at)
holdback_tranche: counterfoil_app: update (fence)
holdback_tranche: counterfoil_app: update (last_error)
holdback_tranche: counterfoil_app: update (lease_owner)
holdback_tranche: counterfoil_app: update (lease_until)
holdback_tranche: counterfoil_app: update (state)
holdback_tranche: counterfoil_app: update (state_at)
holdback_tranche: counterfoil_app: update (steps)
holdback_tranche: counterfoil_auditor: select
holdback_tranche: owner: counterfoil_owner
holdback_use: counterfoil_app: insert, select
holdback_use: counterfoil_auditor: select
holdback_use: owner: counterfoil_owner
idempotency: counterfoil_app: delete, insert, select
idempotency: counterfoil_app: update (answer)
idempotency: counterfoil_app: update (at)
idempotency: counterfoil_app: update (holder)
idempotency: counterfoil_auditor: select (at)
idempotency: counterfoil_auditor: select (holder)
idempotency: counterfoil_auditor: select (key)
idempotency: counterfoil_auditor: select (scope)
idempotency: counterfoil_auditor: select (sha256)
idempotency: owner: counterfoil_owner
incident: counterfoil_app: insert, select
incident: counterfoil_app: update (attempt)
incident: counterfoil_app: update (brake)
incident: counterfoil_app: update (closed_at)
incident: counterfoil_app: update (due_at)
incident: counterfoil_app: update (fence)
incident: counterfoil_app: update (last_error)
incident: counterfoil_app: update (lease_owner)
incident: counterfoil_app: update (lease_until)
incident: counterfoil_app: update (level)
incident: counterfoil_app: update (post_mortem)
incident: counterfoil_app: update (post_mortem_by)
incident: counterfoil_app: update (responded_at)
incident: counterfoil_app: update (responded_by)
incident: counterfoil_app: update (state)
incident: counterfoil_app: update (state_at)
incident: counterfoil_app: update (steps)
incident: counterfoil_auditor: select
incident: owner: counterfoil_owner
intent: counterfoil_app: insert, select
intent: counterfoil_app: update (attempt)
intent: counterfoil_app: update (completed_at)
intent: counterfoil_app: update (due_at)
intent: counterfoil_app: update (fence)
intent: counterfoil_app: update (last_error)
intent: counterfoil_app: update (lease_owner)
intent: counterfoil_app: update (lease_until)
intent: counterfoil_app: update (state)
intent: counterfoil_app: update (state_at)
intent: counterfoil_app: update (steps)
intent: counterfoil_app: update (waits_until)
intent: counterfoil_auditor: select
intent: owner: counterfoil_owner
invoice: counterfoil_app: insert, select
invoice: counterfoil_app: update (credited)
invoice: counterfoil_app: update (paid)
invoice: counterfoil_app: update (state)
invoice: counterfoil_app: update (state_at)
invoice: counterfoil_app: update (steps)
invoice: counterfoil_app: update (written_off)
invoice: counterfoil_auditor: select
invoice: owner: counterfoil_owner
invoice_write_off: counterfoil_app: insert, select
invoice_write_off: counterfoil_auditor: select
invoice_write_off: owner: counterfoil_owner
journal: counterfoil_app: insert, select
journal: counterfoil_auditor: select
journal: owner: counterfoil_owner
journal_import: counterfoil_app: insert, select
journal_import: counterfoil_auditor: select
journal_import: owner: counterfoil_owner
journal_import_step: counterfoil_app: insert, select
journal_import_step: counterfoil_auditor: select
journal_import_step: owner: counterfoil_owner
journal_key_moved: counterfoil_app: select
journal_key_moved: counterfoil_auditor: select
journal_key_moved: owner: counterfoil_owner
key_space: counterfoil_app: select
key_space: counterfoil_auditor: select
key_space: owner: counterfoil_owner
late_posting: counterfoil_app: insert, select
late_posting: counterfoil_auditor: select
late_posting: owner: counterfoil_owner
ledger_entries: counterfoil_app: select
ledger_entries: counterfoil_auditor: select
ledger_entries: owner: counterfoil_owner
ledger_version_0: counterfoil_app: select, usage
ledger_version_0: counterfoil_auditor: select
ledger_version_0: owner: counterfoil_owner
ledger_version_1: counterfoil_app: select, usage
ledger_version_1: counterfoil_auditor: select
ledger_version_1: owner: counterfoil_owner
ledger_version_10: counterfoil_app: select, usage
ledger_version_10: counterfoil_auditor: select
ledger_version_10: owner: counterfoil_owner
ledger_version_11: counterfoil_app: select, usage
ledger_version_11: counterfoil_auditor: select
ledger_version_11: owner: counterfoil_owner
ledger_version_12: counterfoil_app: select, usage
ledger_version_12: counterfoil_auditor: select
ledger_version_12: owner: counterfoil_owner
ledger_version_13: counterfoil_app: select, usage
ledger_version_13: counterfoil_auditor: select
ledger_version_13: owner: counterfoil_owner
ledger_version_14: counterfoil_app: select, usage
ledger_version_14: counterfoil_auditor: select
ledger_version_14: owner: counterfoil_owner
ledger_version_15: counterfoil_app: select, usage
ledger_version_15: counterfoil_auditor: select
ledger_version_15: owner: counterfoil_owner
ledger_version_2: counterfoil_app: select, usage
ledger_version_2: counterfoil_auditor: select
ledger_version_2: owner: counterfoil_owner
ledger_version_3: counterfoil_app: select, usage
ledger_version_3: counterfoil_auditor: select
ledger_version_3: owner: counterfoil_owner
ledger_version_4: counterfoil_app: select, usage
ledger_version_4: counterfoil_auditor: select
ledger_version_4: owner: counterfoil_owner
ledger_version_5: counterfoil_app: select, usage
ledger_version_5: counterfoil_auditor: select
ledger_version_5: owner: counterfoil_owner
ledger_version_6: counterfoil_app: select, usage
ledger_version_6: counterfoil_auditor: select
ledger_version_6: owner: counterfoil_owner
ledger_version_7: counterfoil_app: select, usage
ledger_version_7: counterfoil_auditor: select
ledger_version_7: owner: counterfoil_owner
ledger_version_8: counterfoil_app: select, usage
ledger_version_8: counterfoil_auditor: select
ledger_version_8: owner: counterfoil_owner
ledger_version_9: counterfoil_app: select, usage
ledger_version_9: counterfoil_auditor: select
ledger_version_9: owner: counterfoil_owner
listed_account: counterfoil_app: select
listed_account: counterfoil_auditor: select
listed_account: owner: counterfoil_owner
listed_commission_rate: counterfoil_app: select
listed_commission_rate: counterfoil_auditor: select
listed_commission_rate: owner: counterfoil_owner
listed_fee_version: counterfoil_app: select
listed_fee_version: counterfoil_auditor: select
listed_fee_version: owner: counterfoil_owner
log_boundary: counterfoil_app: insert, select
log_boundary: counterfoil_auditor: select
log_boundary: owner: counterfoil_owner
log_checkpoint: counterfoil_app: insert, select
log_checkpoint: counterfoil_auditor: select
log_checkpoint: owner: counterfoil_owner
log_entry: counterfoil_app: insert, select
log_entry: counterfoil_auditor: select
log_entry: owner: counterfoil_owner
log_key: counterfoil_app: insert, select
log_key: counterfoil_auditor: select (envelope)
log_key: counterfoil_auditor: select (id)
log_key: counterfoil_auditor: select (made_at)
log_key: counterfoil_auditor: select (public_key)
log_key: owner: counterfoil_owner
log_key_change: counterfoil_app: insert, select
log_key_change: counterfoil_auditor: select
log_key_change: owner: counterfoil_owner
log_key_quantum: counterfoil_app: insert, select
log_key_quantum: counterfoil_auditor: select
log_key_quantum: owner: counterfoil_owner
log_left: counterfoil_app: insert, select, update
log_left: counterfoil_auditor: select
log_left: owner: counterfoil_owner
log_origin: counterfoil_app: insert, select
log_origin: counterfoil_auditor: select
log_origin: owner: counterfoil_owner
log_position: counterfoil_app: insert, select, update
log_position: counterfoil_auditor: select
log_position: owner: counterfoil_owner
log_subtree: counterfoil_app: insert, select
log_subtree: counterfoil_auditor: select
log_subtree: owner: counterfoil_owner
login_attempt: counterfoil_app: delete, insert, select
login_attempt: counterfoil_app: update (finished_at)
login_attempt: counterfoil_app: update (verifier)
login_attempt: counterfoil_auditor: select (begun_at)
login_attempt: counterfoil_auditor: select (browser_sha256)
login_attempt: counterfoil_auditor: select (finished_at)
login_attempt: counterfoil_auditor: select (next_path)
login_attempt: counterfoil_auditor: select (state_sha256)
login_attempt: owner: counterfoil_owner
login_subject: counterfoil_app: insert, select
login_subject: counterfoil_app: update (ended_at)
login_subject: counterfoil_auditor: select
login_subject: owner: counterfoil_owner
metric_reach: counterfoil_app: insert, select, update
metric_reach: counterfoil_auditor: select
metric_reach: owner: counterfoil_owner
metric_sum: counterfoil_app: insert, select, update
metric_sum: counterfoil_auditor: select
metric_sum: owner: counterfoil_owner
migration: counterfoil_app: select
migration: counterfoil_auditor: select
migration: owner: counterfoil_owner
minute_sample: counterfoil_app: insert, select
minute_sample: counterfoil_auditor: select
minute_sample: owner: counterfoil_owner
money_queue: counterfoil_app: select
money_queue: counterfoil_auditor: select
money_queue: owner: counterfoil_owner
monitor_round: counterfoil_app: insert, select, update
monitor_round: counterfoil_auditor: select
monitor_round: owner: counterfoil_owner
not_kept_to_program: counterfoil_app: select
not_kept_to_program: counterfoil_auditor: select
not_kept_to_program: owner: counterfoil_owner
notice: counterfoil_app: insert, select
notice: counterfoil_app: update (attempt)
notice: counterfoil_app: update (body)
notice: counterfoil_app: update (due_at)
notice: counterfoil_app: update (fence)
notice: counterfoil_app: update (last_error)
notice: counterfoil_app: update (lease_owner)
notice: counterfoil_app: update (lease_until)
notice: counterfoil_app: update (state)
notice: counterfoil_app: update (state_at)
notice: counterfoil_app: update (steps)
notice: counterfoil_app: update (times)
notice: counterfoil_app: update (title)
notice: counterfoil_auditor: select
notice: owner: counterfoil_owner
notice_attempt: counterfoil_app: insert, select
notice_attempt: counterfoil_auditor: select
notice_attempt: owner: counterfoil_owner
open_hold: counterfoil_app: select
open_hold: counterfoil_auditor: select
open_hold: owner: counterfoil_owner
overpayment: counterfoil_app: insert, select
overpayment: counterfoil_app: update (state)
overpayment: counterfoil_app: update (state_at)
overpayment: counterfoil_app: update (steps)
overpayment: counterfoil_auditor: select
overpayment: owner: counterfoil_owner
overpayment_repayment: counterfoil_app: insert, select
overpayment_repayment: counterfoil_auditor: select
overpayment_repayment: owner: counterfoil_owner
password: counterfoil_app: insert, select, update
password: counterfoil_auditor: select (expires_at)
password: counterfoil_auditor: select (principal_id)
password: counterfoil_auditor: select (set_at)
password: owner: counterfoil_owner
payment: counterfoil_app: insert, select
payment: counterfoil_auditor: select
payment: owner: counterfoil_owner
payment_file: counterfoil_app: insert, select
payment_file: counterfoil_app: update (downloaded_at)
payment_file: counterfoil_app: update (state)
payment_file: counterfoil_app: update (state_at)
payment_file: counterfoil_app: update (steps)
payment_file: counterfoil_auditor: select (amount)
payment_file: counterfoil_auditor: select (asset)
payment_file: counterfoil_auditor: select (created_at)
payment_file: counterfoil_auditor: select (downloaded_at)
payment_file: counterfoil_auditor: select (envelope)
payment_file: counterfoil_auditor: select (execute_on)
payment_file: counterfoil_auditor: select (id)
payment_file: counterfoil_auditor: select (orders)
payment_file: counterfoil_auditor: select (program_id)
payment_file: counterfoil_auditor: select (provider)
payment_file: counterfoil_auditor: select (sha256)
payment_file: counterfoil_auditor: select (state)
payment_file: counterfoil_auditor: select (state_at)
payment_file: counterfoil_auditor: select (steps)
payment_file: owner: counterfoil_owner
payment_file_order: counterfoil_app: insert, select
payment_file_order: counterfoil_auditor: select
payment_file_order: owner: counterfoil_owner
payout: counterfoil_app: insert, select
payout: counterfoil_app: update (attempt)
payout: counterfoil_app: update (due_at)
payout: counterfoil_app: update (fence)
payout: counterfoil_app: update (last_error)
payout: counterfoil_app: update (lease_owner)
payout: counterfoil_app: update (lease_until)
payout: counterfoil_app: update (state)
payout: counterfoil_app: update (state_at)
payout: counterfoil_app: update (steps)
payout: counterfoil_auditor: select
payout: owner: counterfoil_owner
payout_approval: counterfoil_app: insert, select
payout_approval: counterfoil_auditor: select
payout_approval: owner: counterfoil_owner
payout_batch: counterfoil_app: insert, select
payout_batch: counterfoil_app: update (amount)
payout_batch: counterfoil_app: update (approved_at)
payout_batch: counterfoil_app: update (approvers)
payout_batch: counterfoil_app: update (attempt)
payout_batch: counterfoil_app: update (by_rule)
payout_batch: counterfoil_app: update (due_at)
payout_batch: counterfoil_app: update (executed_at)
payout_batch: counterfoil_app: update (fence)
payout_batch: counterfoil_app: update (frozen_at)
payout_batch: counterfoil_app: update (last_error)
payout_batch: counterfoil_app: update (lease_owner)
payout_batch: counterfoil_app: update (lease_until)
payout_batch: counterfoil_app: update (lines)
payout_batch: counterfoil_app: update (not_by_rule)
payout_batch: counterfoil_app: update (round)
payout_batch: counterfoil_app: update (sha256)
payout_batch: counterfoil_app: update (state)
payout_batch: counterfoil_app: update (state_at)
payout_batch: counterfoil_app: update (steps)
payout_batch: counterfoil_auditor: select
payout_batch: owner: counterfoil_owner
payout_batch_approval: counterfoil_app: insert, select
payout_batch_approval: counterfoil_auditor: select
payout_batch_approval: owner: counterfoil_owner
payout_batch_line: counterfoil_app: insert, select
payout_batch_line: counterfoil_app: update (left_at)
payout_batch_line: counterfoil_app: update (left_why)
payout_batch_line: counterfoil_app: update (live)
payout_batch_line: counterfoil_app: update (paid_at)
payout_batch_line: counterfoil_app: update (removed_at)
payout_batch_line: counterfoil_auditor: select
payout_batch_line: owner: counterfoil_owner
payout_batch_maker: counterfoil_app: insert, select
payout_batch_maker: counterfoil_auditor: select
payout_batch_maker: owner: counterfoil_owner
payout_evidence: counterfoil_app: insert, select
payout_evidence: counterfoil_auditor: select
payout_evidence: owner: counterfoil_owner
payout_netting: counterfoil_app: insert, select
payout_netting: counterfoil_auditor: select
payout_netting: owner: counterfoil_owner
payout_policy: counterfoil_app: insert, select
payout_policy: counterfoil_auditor: select
payout_policy: owner: counterfoil_owner
payout_policy_in_force: counterfoil_app: select
payout_policy_in_force: counterfoil_auditor: select
payout_policy_in_force: owner: counterfoil_owner
payout_source: counterfoil_app: select
payout_source: counterfoil_auditor: select
payout_source: owner: counterfoil_owner
period_close: counterfoil_app: insert, select
period_close: counterfoil_auditor: select
period_close: owner: counterfoil_owner
period_keys: counterfoil_app: insert, select
period_keys: counterfoil_auditor: select
period_keys: owner: counterfoil_owner
personal_data_policy: counterfoil_app: insert, select
personal_data_policy: counterfoil_auditor: select
personal_data_policy: owner: counterfoil_owner
posting: counterfoil_app: insert, select
posting: counterfoil_auditor: select
posting: owner: counterfoil_owner
principal: counterfoil_app: insert, select
principal: counterfoil_app: update (disabled_at)
principal: counterfoil_auditor: select
principal: owner: counterfoil_owner
program: counterfoil_app: insert, select
program: counterfoil_auditor: select
program: owner: counterfoil_owner
program_segment: counterfoil_app: select
program_segment: counterfoil_auditor: select
program_segment: owner: counterfoil_owner
proof: counterfoil_app: insert, select
proof: counterfoil_app: update (state)
proof: counterfoil_app: update (state_at)
proof: counterfoil_app: update (steps)
proof: counterfoil_auditor: select
proof: owner: counterfoil_owner
proof_export: counterfoil_app: insert, select
proof_export: counterfoil_app: update (done)
proof_export: counterfoil_app: update (error)
proof_export: counterfoil_app: update (finished_at)
proof_export: counterfoil_app: update (heard_at)
proof_export: counterfoil_app: update (proof_id)
proof_export: counterfoil_app: update (stage)
proof_export: counterfoil_app: update (state)
proof_export: counterfoil_app: update (state_at)
proof_export: counterfoil_app: update (steps)
proof_export: counterfoil_app: update (total)
proof_export: counterfoil_auditor: select
proof_export: owner: counterfoil_owner
proof_file: counterfoil_app: insert, select
proof_file: counterfoil_auditor: select
proof_file: owner: counterfoil_owner
proof_request: counterfoil_app: insert, select
proof_request: counterfoil_auditor: select
proof_request: owner: counterfoil_owner
proof_signature: counterfoil_app: insert, select
proof_signature: counterfoil_auditor: select
proof_signature: owner: counterfoil_owner
provider_conflict: counterfoil_app: insert, select
provider_conflict: counterfoil_app: update (state)
provider_conflict: counterfoil_app: update (state_at)
provider_conflict: counterfoil_app: update (steps)
provider_conflict: counterfoil_auditor: select
provider_conflict: owner: counterfoil_owner
provider_cursor: counterfoil_app: insert, select
provider_cursor: counterfoil_app: update (last_event_id)
provider_cursor: counterfoil_auditor: select
provider_cursor: owner: counterfoil_owner
provider_payout: counterfoil_app: insert, select
provider_payout: counterfoil_app: update (attempt)
provider_payout: counterfoil_app: update (beyond)
provider_payout: counterfoil_app: update (due_at)
provider_payout: counterfoil_app: update (error_class)
provider_payout: counterfoil_app: update (failed_by)
provider_payout: counterfoil_app: update (fee)
provider_payout: counterfoil_app: update (fence)
provider_payout: counterfoil_app: update (last_error)
provider_payout: counterfoil_app: update (lease_owner)
provider_payout: counterfoil_app: update (lease_until)
provider_payout: counterfoil_app: update (not_there_at)
provider_payout: counterfoil_app: update (paid)
provider_payout: counterfoil_app: update (provider_ref)
provider_payout: counterfoil_app: update (request_sent_at)
provider_payout: counterfoil_app: update (sent_at)
provider_payout: counterfoil_app: update (state)
provider_payout: counterfoil_app: update (state_at)
provider_payout: counterfoil_app: update (steps)
provider_payout: counterfoil_app: update (unconfirmed)
provider_payout: counterfoil_auditor: select (amount)
provider_payout: counterfoil_auditor: select (asset)
provider_payout: counterfoil_auditor: select (attempt)
provider_payout: counterfoil_auditor: select (beyond)
provider_payout: counterfoil_auditor: select (created_at)
provider_payout: counterfoil_auditor: select (destination_id)
provider_payout: counterfoil_auditor: select (due_at)
provider_payout: counterfoil_auditor: select (error_class)
provider_payout: counterfoil_auditor: select (failed_by)
provider_payout: counterfoil_auditor: select (fee)
provider_payout: counterfoil_auditor: select (fence)
provider_payout: counterfoil_auditor: select (id)
provider_payout: counterfoil_auditor: select (idempotency_key)
provider_payout: counterfoil_auditor: select (last_error)
provider_payout: counterfoil_auditor: select (lease_owner)
provider_payout: counterfoil_auditor: select (lease_until)
provider_payout: counterfoil_auditor: select (not_there_at)
provider_payout: counterfoil_auditor: select (number)
provider_payout: counterfoil_auditor: select (paid)
provider_payout: counterfoil_auditor: select (payload_sha256)
provider_payout: counterfoil_auditor: select (payout_id)
provider_payout: counterfoil_auditor: select (program_id)
provider_payout: counterfoil_auditor: select (provider)
provider_payout: counterfoil_auditor: select (provider_ref)
provider_payout: counterfoil_auditor: select (request_sent_at)
provider_payout: counterfoil_auditor: select (sent_at)
provider_payout: counterfoil_auditor: select (state)
provider_payout: counterfoil_auditor: select (state_at)
provider_payout: counterfoil_auditor: select (steps)
provider_payout: counterfoil_auditor: select (unconfirmed)
provider_payout: owner: counterfoil_owner
queue_drain: counterfoil_app: insert, select
queue_drain: counterfoil_auditor: select
queue_drain: owner: counterfoil_owner
queue_hour: counterfoil_app: insert, select, update
queue_hour: counterfoil_auditor: select
queue_hour: owner: counterfoil_owner
queue_pause: counterfoil_app: insert, select
queue_pause: counterfoil_auditor: select
queue_pause: owner: counterfoil_owner
queue_pause_number_seq: counterfoil_app: select, usage
queue_pause_number_seq: counterfoil_auditor: select
queue_pause_number_seq: owner: counterfoil_owner
queue_paused: counterfoil_app: select
queue_paused: counterfoil_auditor: select
queue_paused: owner: counterfoil_owner
receivable_write_off: counterfoil_app: insert, select
receivable_write_off: counterfoil_auditor: select
receivable_write_off: owner: counterfoil_owner
reconciliation_gap: counterfoil_app: insert, select
reconciliation_gap: counterfoil_auditor: select
reconciliation_gap: owner: counterfoil_owner
reconciliation_run: counterfoil_app: delete, insert, select
reconciliation_run: counterfoil_app: update (beat_at)
reconciliation_run: counterfoil_app: update (breaks)
reconciliation_run: counterfoil_app: update (comparison)
reconciliation_run: counterfoil_app: update (complete)
reconciliation_run: counterfoil_app: update (confirmed_at)
reconciliation_run: counterfoil_app: update (error)
reconciliation_run: counterfoil_app: update (expected)
reconciliation_run: counterfoil_app: update (finished_at)
reconciliation_run: counterfoil_app: update (inputs_sha256)
reconciliation_run: counterfoil_app: update (matched)
reconciliation_run: counterfoil_app: update (notes)
reconciliation_run: counterfoil_app: update (number)
reconciliation_run: counterfoil_app: update (progress)
reconciliation_run: counterfoil_app: update (read_until)
reconciliation_run: counterfoil_app: update (report)
reconciliation_run: counterfoil_app: update (result_sha256)
reconciliation_run: counterfoil_app: update (rules_sha256)
reconciliation_run: counterfoil_app: update (state)
reconciliation_run: counterfoil_app: update (statement_sha256)
reconciliation_run: counterfoil_app: update (verdict)
reconciliation_run: counterfoil_auditor: select
reconciliation_run: owner: counterfoil_owner
reconciliation_run_number: counterfoil_app: select, usage
reconciliation_run_number: counterfoil_auditor: select
reconciliation_run_number: owner: counterfoil_owner
reconciliation_schedule: counterfoil_app: insert, select, update
reconciliation_schedule: counterfoil_auditor: select
reconciliation_schedule: owner: counterfoil_owner
reconciliation_slot: counterfoil_app: insert, select
reconciliation_slot: counterfoil_auditor: select
reconciliation_slot: owner: counterfoil_owner
recovery_code: counterfoil_app: insert, select
recovery_code: counterfoil_app: update (used_at)
recovery_code: counterfoil_auditor: select (factor_id)
recovery_code: counterfoil_auditor: select (number)
recovery_code: counterfoil_auditor: select (used_at)
recovery_code: owner: counterfoil_owner
referral: counterfoil_app: insert, select
referral: counterfoil_auditor: select
referral: owner: counterfoil_owner
refund: counterfoil_app: insert, select
refund: counterfoil_app: update (state)
refund: counterfoil_app: update (state_at)
refund: counterfoil_app: update (steps)
refund: counterfoil_auditor: select
refund: owner: counterfoil_owner
refund_execution: counterfoil_app: insert, select
refund_execution: counterfoil_auditor: select
refund_execution: owner: counterfoil_owner
request_turn: counterfoil_app: delete, insert, select, update
request_turn: counterfoil_auditor: select
request_turn: owner: counterfoil_owner
reversal: counterfoil_app: select
reversal: counterfoil_auditor: select
reversal: owner: counterfoil_owner
role_conflict: counterfoil_app: select
role_conflict: counterfoil_auditor: select
role_conflict: owner: counterfoil_owner
role_grant: counterfoil_app: insert, select
role_grant: counterfoil_app: update (revoked_at)
role_grant: counterfoil_app: update (revoked_by)
role_grant: counterfoil_auditor: select
role_grant: owner: counterfoil_owner
run_finding: counterfoil_app: insert, select
run_finding: counterfoil_auditor: select
run_finding: owner: counterfoil_owner
runbook_answer: counterfoil_app: insert, select
runbook_answer: counterfoil_auditor: select
runbook_answer: owner: counterfoil_owner
runbook_run: counterfoil_app: insert, select
runbook_run: counterfoil_app: update (ended_at)
runbook_run: counterfoil_app: update (ended_by)
runbook_run: counterfoil_app: update (state)
runbook_run: counterfoil_app: update (state_at)
runbook_run: counterfoil_app: update (steps)
runbook_run: counterfoil_auditor: select
runbook_run: owner: counterfoil_owner
sale: counterfoil_app: select
sale: counterfoil_auditor: select
sale: owner: counterfoil_owner
schedule_end: counterfoil_app: insert, select
schedule_end: counterfoil_auditor: select
schedule_end: owner: counterfoil_owner
schedule_end_number_seq: counterfoil_app: select, usage
schedule_end_number_seq: counterfoil_auditor: select
schedule_end_number_seq: owner: counterfoil_owner
schedule_moment: counterfoil_app: select
schedule_moment: counterfoil_auditor: select
schedule_moment: owner: counterfoil_owner
schedule_wish: counterfoil_app: delete, insert, select, update
schedule_wish: counterfoil_auditor: select
schedule_wish: owner: counterfoil_owner
seal: counterfoil_app: select
seal: counterfoil_auditor: select
seal: owner: counterfoil_owner
sealed_relation: counterfoil_app: select
sealed_relation: counterfoil_auditor: select
sealed_relation: owner: counterfoil_owner
second_administrator: counterfoil_app: insert, select
second_administrator: counterfoil_app: update (begun_at)
second_administrator: counterfoil_app: update (grant_id)
second_administrator: counterfoil_app: update (stop_reason)
second_administrator: counterfoil_app: update (stopped_at)
second_administrator: counterfoil_app: update (stopped_by)
second_administrator: counterfoil_auditor: select
second_administrator: owner: counterfoil_owner
second_factor: counterfoil_app: insert, select
second_factor: counterfoil_app: update (confirmed_at)
second_factor: counterfoil_app: update (ended_at)
second_factor: counterfoil_app: update (secret)
second_factor: counterfoil_app: update (used_step)
second_factor: counterfoil_auditor: select (confirmed_at)
second_factor: counterfoil_auditor: select (ended_at)
second_factor: counterfoil_auditor: select (envelope)
second_factor: counterfoil_auditor: select (id)
second_factor: counterfoil_auditor: select (made_at)
second_factor: counterfoil_auditor: select (principal_id)
second_factor: counterfoil_auditor: select (used_step)
second_factor: owner: counterfoil_owner
sentinel_check: counterfoil_app: insert, select
sentinel_check: counterfoil_auditor: select
sentinel_check: owner: counterfoil_owner
sentinel_run: counterfoil_app: insert, select
sentinel_run: counterfoil_app: update (actor)
sentinel_run: counterfoil_app: update (beat_at)
sentinel_run: counterfoil_app: update (broken)
sentinel_run: counterfoil_app: update (checks)
sentinel_run: counterfoil_app: update (error)
sentinel_run: counterfoil_app: update (failed)
sentinel_run: counterfoil_app: update (findings)
sentinel_run: counterfoil_app: update (finished_at)
sentinel_run: counterfoil_app: update (holding)
sentinel_run: counterfoil_app: update (kind)
sentinel_run: counterfoil_app: update (number)
sentinel_run: counterfoil_app: update (opened)
sentinel_run: counterfoil_app: update (progress)
sentinel_run: counterfoil_app: update (since)
sentinel_run: counterfoil_app: update (slot_at)
sentinel_run: counterfoil_app: update (started_at)
sentinel_run: counterfoil_app: update (state)
sentinel_run: counterfoil_app: update (state_at)
sentinel_run: counterfoil_app: update (steps)
sentinel_run: counterfoil_app: update (touched)
sentinel_run: counterfoil_app: update (unasked)
sentinel_run: counterfoil_app: update (watermark)
sentinel_run: counterfoil_auditor: select
sentinel_run: owner: counterfoil_owner
sentinel_run_number: counterfoil_app: select, usage
sentinel_run_number: counterfoil_auditor: select
sentinel_run_number: owner: counterfoil_owner
session: counterfoil_app: insert, select
session: counterfoil_app: update (expires_at)
session: counterfoil_app: update (seen_at)
session: counterfoil_auditor: select (address)
session: counterfoil_auditor: select (agent)
session: counterfoil_auditor: select (api_key_id)
session: counterfoil_auditor: select (created_at)
session: counterfoil_auditor: select (expires_at)
session: counterfoil_auditor: select (factor_demanded)
session: counterfoil_auditor: select (factor_needed)
session: counterfoil_auditor: select (factor_until)
session: counterfoil_auditor: select (id)
session: counterfoil_auditor: select (idle_s)
session: counterfoil_auditor: select (opened_by)
session: counterfoil_auditor: select (principal_id)
session: counterfoil_auditor: select (seen_at)
session: owner: counterfoil_owner
settlement: counterfoil_app: insert, select
settlement: counterfoil_auditor: select
settlement: owner: counterfoil_owner
signer: counterfoil_app: insert, select
signer: counterfoil_app: update (revoke_reason)
signer: counterfoil_app: update (revoked_at)
signer: counterfoil_app: update (revoked_by)
signer: counterfoil_auditor: select
signer: owner: counterfoil_owner
silence: counterfoil_app: insert, select
silence: counterfoil_app: update (state)
silence: counterfoil_app: update (state_at)
silence: counterfoil_app: update (steps)
silence: counterfoil_auditor: select
silence: owner: counterfoil_owner
step: counterfoil_app: insert, select
step: counterfoil_auditor: select
step: owner: counterfoil_owner
store_copy: counterfoil_app: insert, select
store_copy: counterfoil_app: update (attempt)
store_copy: counterfoil_app: update (checksum)
store_copy: counterfoil_app: update (due_at)
store_copy: counterfoil_app: update (error)
store_copy: counterfoil_app: update (fence)
store_copy: counterfoil_app: update (kept_at)
store_copy: counterfoil_app: update (last_error)
store_copy: counterfoil_app: update (lease_owner)
store_copy: counterfoil_app: update (lease_until)
store_copy: counterfoil_app: update (locked_until)
store_copy: counterfoil_app: update (looked_at)
store_copy: counterfoil_app: update (state)
store_copy: counterfoil_app: update (state_at)
store_copy: counterfoil_app: update (steps)
store_copy: counterfoil_app: update (unwanted_at)
store_copy: counterfoil_app: update (version)
store_copy: counterfoil_auditor: select
store_copy: owner: counterfoil_owner
transition: counterfoil_app: select
transition: counterfoil_auditor: select
transition: owner: counterfoil_owner
treasury_movement: counterfoil_app: insert, select
treasury_movement: counterfoil_auditor: select
treasury_movement: owner: counterfoil_owner
two_phase: counterfoil_app: insert, select
two_phase: counterfoil_app: update (attempt)
two_phase: counterfoil_app: update (due_at)
two_phase: counterfoil_app: update (fence)
two_phase: counterfoil_app: update (last_error)
two_phase: counterfoil_app: update (lease_owner)
two_phase: counterfoil_app: update (lease_until)
two_phase: counterfoil_app: update (state)
two_phase: counterfoil_app: update (state_at)
two_phase: counterfoil_app: update (steps)
two_phase: counterfoil_auditor: select
two_phase: owner: counterfoil_owner
two_phase_call: counterfoil_app: insert, select
two_phase_call: counterfoil_app: update (attempt)
two_phase_call: counterfoil_app: update (due_at)
two_phase_call: counterfoil_app: update (last_error)
two_phase_call: counterfoil_auditor: select
two_phase_call: owner: counterfoil_owner
two_phase_check: counterfoil_app: insert, select
two_phase_check: counterfoil_auditor: select
two_phase_check: owner: counterfoil_owner
two_phase_decision: counterfoil_app: insert, select
two_phase_decision: counterfoil_auditor: select
two_phase_decision: owner: counterfoil_owner
two_phase_outcome: counterfoil_app: insert, select
two_phase_outcome: counterfoil_auditor: select
two_phase_outcome: owner: counterfoil_owner
two_phase_participant: counterfoil_app: insert, select
two_phase_participant: counterfoil_auditor: select
two_phase_participant: owner: counterfoil_owner
two_phase_vote: counterfoil_app: insert, select
two_phase_vote: counterfoil_auditor: select
two_phase_vote: owner: counterfoil_owner
two_phase_vote_seq: counterfoil_app: select, usage
two_phase_vote_seq: counterfoil_auditor: select
two_phase_vote_seq: owner: counterfoil_owner
unidentified_payment: counterfoil_app: insert, select
unidentified_payment: counterfoil_app: update (state)
unidentified_payment: counterfoil_app: update (state_at)
unidentified_payment: counterfoil_app: update (steps)
unidentified_payment: counterfoil_auditor: select
unidentified_payment: owner: counterfoil_owner
unidentified_repayment: counterfoil_app: insert, select
unidentified_repayment: counterfoil_auditor: select
unidentified_repayment: owner: counterfoil_owner
unposted_line: counterfoil_app: insert, select
unposted_line: counterfoil_auditor: select
unposted_line: owner: counterfoil_owner
usage_file: counterfoil_app: insert, select
usage_file: counterfoil_app: update (ended_at)
usage_file: counterfoil_app: update (heard_at)
usage_file: counterfoil_app: update (lines_done)
usage_file: counterfoil_app: update (new)
usage_file: counterfoil_app: update (rejected)
usage_file: counterfoil_auditor: select
usage_file: owner: counterfoil_owner
usage_fraction: counterfoil_app: insert, select
usage_fraction: counterfoil_app: update (fraction)
usage_fraction: counterfoil_auditor: select
usage_fraction: owner: counterfoil_owner
usage_import: counterfoil_app: insert, select
usage_import: counterfoil_auditor: select
usage_import: owner: counterfoil_owner
usage_record: counterfoil_app: insert, select
usage_record: counterfoil_app: update (amount)
usage_record: counterfoil_app: update (invoice_id)
usage_record: counterfoil_app: update (line)
usage_record: counterfoil_auditor: select
usage_record: owner: counterfoil_owner
wal_archive: counterfoil_app: insert, select, update
wal_archive: counterfoil_auditor: select
wal_archive: owner: counterfoil_owner
webhook_attempt: counterfoil_app: insert, select
webhook_attempt: counterfoil_auditor: select
webhook_attempt: owner: counterfoil_owner
webhook_delivery: counterfoil_app: insert, select
webhook_delivery: counterfoil_app: update (attempt)
webhook_delivery: counterfoil_app: update (due_at)
webhook_delivery: counterfoil_app: update (fence)
webhook_delivery: counterfoil_app: update (last_error)
webhook_delivery: counterfoil_app: update (lease_owner)
webhook_delivery: counterfoil_app: update (lease_until)
webhook_delivery: counterfoil_app: update (state)
webhook_delivery: counterfoil_app: update (state_at)
webhook_delivery: counterfoil_app: update (steps)
webhook_delivery: counterfoil_auditor: select
webhook_delivery: owner: counterfoil_owner
webhook_endpoint: counterfoil_app: insert, select
webhook_endpoint: counterfoil_app: update (delivered_at)
webhook_endpoint: counterfoil_app: update (failing_since)
webhook_endpoint: counterfoil_app: update (failures)
webhook_endpoint: counterfoil_app: update (not_before)
webhook_endpoint: counterfoil_app: update (owner_email)
webhook_endpoint: counterfoil_app: update (state)
webhook_endpoint: counterfoil_app: update (state_at)
webhook_endpoint: counterfoil_app: update (steps)
webhook_endpoint: counterfoil_auditor: select
webhook_endpoint: owner: counterfoil_owner
webhook_in: counterfoil_app: insert, select
webhook_in: counterfoil_app: update (attempt)
webhook_in: counterfoil_app: update (conflicts)
webhook_in: counterfoil_app: update (due_at)
webhook_in: counterfoil_app: update (duplicates)
webhook_in: counterfoil_app: update (fence)
webhook_in: counterfoil_app: update (last_error)
webhook_in: counterfoil_app: update (lease_owner)
webhook_in: counterfoil_app: update (lease_until)
webhook_in: counterfoil_app: update (state)
webhook_in: counterfoil_app: update (state_at)
webhook_in: counterfoil_app: update (steps)
webhook_in: counterfoil_auditor: select (attempt)
webhook_in: counterfoil_auditor: select (conflicts)
webhook_in: counterfoil_auditor: select (due_at)
webhook_in: counterfoil_auditor: select (duplicates)
webhook_in: counterfoil_auditor: select (envelope)
webhook_in: counterfoil_auditor: select (event_id)
webhook_in: counterfoil_auditor: select (event_type)
webhook_in: counterfoil_auditor: select (fence)
webhook_in: counterfoil_auditor: select (id)
webhook_in: counterfoil_auditor: select (last_error)
webhook_in: counterfoil_auditor: select (lease_owner)
webhook_in: counterfoil_auditor: select (lease_until)
webhook_in: counterfoil_auditor: select (provider)
webhook_in: counterfoil_auditor: select (received_at)
webhook_in: counterfoil_auditor: select (state)
webhook_in: counterfoil_auditor: select (state_at)
webhook_in: counterfoil_auditor: select (steps)
webhook_in: owner: counterfoil_owner
webhook_in_rejection: counterfoil_app: insert, select, update
webhook_in_rejection: counterfoil_auditor: select
webhook_in_rejection: owner: counterfoil_owner
webhook_secret: counterfoil_app: insert, select
webhook_secret: counterfoil_auditor: select (created_at)
webhook_secret: counterfoil_auditor: select (created_by)
webhook_secret: counterfoil_auditor: select (endpoint_id)
webhook_secret: counterfoil_auditor: select (envelope)
webhook_secret: counterfoil_auditor: select (id)
webhook_secret: counterfoil_auditor: select (number)
webhook_secret: counterfoil_auditor: select (overlap_days)
webhook_secret: counterfoil_auditor: select (public_key)
webhook_secret: owner: counterfoil_owner
work_mishap: counterfoil_app: insert, select
work_mishap: counterfoil_auditor: select
work_mishap: owner: counterfoil_owner
work_mishap_id_seq: counterfoil_app: select, usage
work_mishap_id_seq: counterfoil_auditor: select
work_mishap_id_seq: owner: counterfoil_owner
worker: counterfoil_app: insert, select, update
worker: counterfoil_auditor: select
worker: owner: counterfoil_owner
write_off_limit: counterfoil_app: insert, select
write_off_limit: counterfoil_auditor: select
write_off_limit: owner: counterfoil_owner

-- rights to run
affiliate_depth_max(): counterfoil_app: execute
affiliate_depth_max(): counterfoil_auditor: execute
affiliate_path(text): counterfoil_app: execute
affiliate_path(text): counterfoil_auditor: execute
affiliate_path_at(text,timestamp with time zone): counterfoil_app: execute
affiliate_path_at(text,timestamp with time zone): counterfoil_auditor: execute
agent_spent(text,text,text,timestamp with time zone,bigint,text): counterfoil_app: execute
agent_spent(text,text,text,timestamp with time zone,bigint,text): counterfoil_auditor: execute
approves_with_second_factor(text,timestamp with time zone): counterfoil_app: execute
approves_with_second_factor(text,timestamp with time zone): counterfoil_auditor: execute
broken_seals(text[]): counterfoil_app: execute
broken_seals(text[]): counterfoil_auditor: execute
canonical_json(jsonb): counterfoil_app: execute
canonical_json(jsonb): counterfoil_auditor: execute
chargeback_of_unused(text): counterfoil_app: execute
chargeback_of_unused(text): counterfoil_auditor: execute
commission_base(text,bigint,bigint): counterfoil_app: execute
commission_base(text,bigint,bigint): counterfoil_auditor: execute
commission_carried(text,text): counterfoil_app: execute
commission_carried(text,text): counterfoil_auditor: execute
commission_contested(text): counterfoil_app: execute
commission_contested(text): counterfoil_auditor: execute
commission_due(text,boolean): counterfoil_app: execute
commission_due(text,boolean): counterfoil_auditor: execute
commission_earners(text[],text,timestamp with time zone): counterfoil_app: execute
commission_earners(text[],text,timestamp with time zone): counterfoil_auditor: execute
commission_shares(bigint,integer[],text): counterfoil_app: execute
commission_shares(bigint,integer[],text): counterfoil_auditor: execute
commission_version_at(text,text,timestamp with time zone): counterfoil_app: execute
commission_version_at(text,text,timestamp with time zone): counterfoil_auditor: execute
delivery_id(timestamp with time zone,text,text): counterfoil_app: execute
delivery_id(timestamp with time zone,text,text): counterfoil_auditor: execute
enter_program(text,boolean,integer): counterfoil_app: execute
escrow_charged_back(text): counterfoil_app: execute
escrow_charged_back(text): counterfoil_auditor: execute
escrow_frozen_by(text): counterfoil_app: execute
escrow_frozen_by(text): counterfoil_auditor: execute
escrow_lost(text): counterfoil_app: execute
escrow_lost(text): counterfoil_auditor: execute
escrow_standing(text,timestamp with time zone): counterfoil_app: execute
escrow_standing(text,timestamp with time zone): counterfoil_auditor: execute
fee_platform(numeric,text,integer,text): counterfoil_app: execute
fee_platform(numeric,text,integer,text): counterfoil_auditor: execute
fee_version_at(text,timestamp with time zone): counterfoil_app: execute
fee_version_at(text,timestamp with time zone): counterfoil_auditor: execute
is_of_a_peer(text,text): counterfoil_app: execute
is_of_a_peer(text,text): counterfoil_auditor: execute
is_told(text,text[],text,text,text,text,text): counterfoil_app: execute
is_told(text,text[],text,text,text,text,text): counterfoil_auditor: execute
key_of_secret(bytea,timestamp with time zone): counterfoil_app: execute
key_of_secret(bytea,timestamp with time zone): counterfoil_auditor: execute
key_word(text): counterfoil_app: execute
key_word(text): counterfoil_auditor: execute
lock_accounts(text,text,text[]): counterfoil_app: execute
lock_payments(text[]): counterfoil_app: execute
mandate_refuses(text,integer,timestamp with time zone,bigint,integer): counterfoil_app: execute
mandate_refuses(text,integer,timestamp with time zone,bigint,integer): counterfoil_auditor: execute
newest_postings(bigint,bigint,integer): counterfoil_app: execute
newest_postings(bigint,bigint,integer): counterfoil_auditor: execute
overpayment_left(text): counterfoil_app: execute
overpayment_left(text): counterfoil_auditor: execute
payment_unused(text): counterfoil_app: execute
payment_unused(text): counterfoil_auditor: execute
payout_batch_digest(text): counterfoil_app: execute
payout_batch_digest(text): counterfoil_auditor: execute
postings_between(bigint,bigint,bigint,integer): counterfoil_app: execute
postings_between(bigint,bigint,bigint,integer): counterfoil_auditor: execute
program_lock(text): counterfoil_app: execute
program_lock(text): counterfoil_auditor: execute
program_roles_of(text): counterfoil_app: execute
program_roles_of(text): counterfoil_auditor: execute
program_version(text): counterfoil_app: execute
program_version(text): counterfoil_auditor: execute
receipt_used(text): counterfoil_app: execute
reference_paid(text,text): counterfoil_app: execute
roles_of(text): counterfoil_app: execute
roles_of(text): counterfoil_auditor: execute
seal_expressions(text[],text[]): counterfoil_app: execute
seal_expressions(text[],text[]): counterfoil_auditor: execute
sealed_columns(regclass,text[],text[]): counterfoil_app: execute
sealed_columns(regclass,text[],text[]): counterfoil_auditor: execute
segment_size(): counterfoil_app: execute
segment_size(): counterfoil_auditor: execute
segments_between(bigint,bigint,bigint): counterfoil_app: execute
segments_between(bigint,bigint,bigint): counterfoil_auditor: execute
segments_of(bigint): counterfoil_app: execute
segments_of(bigint): counterfoil_auditor: execute
signers_known(text[],text,timestamp with time zone): counterfoil_app: execute
signers_known(text[],text,timestamp with time zone): counterfoil_auditor: execute
told_amount(bigint,text): counterfoil_app: execute
told_amount(bigint,text): counterfoil_auditor: execute
total(bigint): counterfoil_app: execute
total(bigint): counterfoil_auditor: execute
treasury_held(text,text): counterfoil_app: execute
treasury_held(text,text): counterfoil_auditor: execute
two_phase_agent_account(text): counterfoil_app: execute
two_phase_agent_account(text): counterfoil_auditor: execute
two_phase_promise(text,integer): counterfoil_app: execute
two_phase_promise(text,integer): counterfoil_auditor: execute
was_administered(): counterfoil_app: execute
was_administered(): counterfoil_auditor: execute

-- comments
access_attempt: app: select, insert, update, delete
account_guard: app: select
affiliate.created_at: app: select, insert
affiliate.id: app: select, insert
affiliate.name: app: select, insert
affiliate.parent_id: app: select, insert
affiliate.program_id: app: select, insert
agent.created_at: app: select, insert
agent.created_by: app: select, insert
agent.id: app: select, insert
agent.name: app: select, insert
agent.program_id: app: select, insert
alert.code: app: select, insert
alert.first_evidence: app: select, insert
alert.first_run: app: select, insert
alert.first_seen_at: app: select, insert
alert.id: app: select, insert
alert.period: app: select, insert
alert.previous: app: select, insert
alert.program_id: app: select, insert
alert.subject: app: select, insert
api_key.created_at: app: select, insert
api_key.created_by: app: select, insert
api_key.expires_at: app: select, insert
api_key.hint: app: select, insert
api_key.id: app: select, insert
api_key.name: app: select, insert
api_key.principal_id: app: select, insert
api_key.program_id: app: select, insert
api_key.role: app: select, insert
api_key.scopes: app: select, insert
api_key.secret_hash: app: select, insert; auditor: none
api_key.skeleton: app: select, insert
api_key.written_by: app: select, insert
api_key_secret.secret_hash: auditor: none
approving_role: app: select
audit_record: about: actions, logins or refusals; subject: the thing of an action, or the route that was asked for at the door
backup.actor: app: select, insert
backup.id: app: select, insert
backup.kind: app: select, insert
backup.slot_at: app: select, insert
backup.started_at: app: select, insert
bank_file.rejected: auditor: none
bank_line.counterparty: auditor: none
bank_line.memo: auditor: none
bank_line.reference: auditor: none
bank_line_counted.counterparty: auditor: none
bank_line_counted.memo: auditor: none
bank_line_counted.reference: auditor: none
bank_report.body: auditor: none
break: app: select, insert, update
break.asset: app: select, insert
break.first_on: app: select, insert
break.first_run: app: select, insert
break.id: app: select, insert
break.identity: app: select, insert
break.kind: app: select, insert
break.last_on: app: select, insert
break.opened_at: app: select, insert
break.program_id: app: select, insert
break.record_id: app: select, insert
break.recurs_of: app: select, insert
break.reference: app: select, insert
break.source: app: select, insert
break.subject: app: select, insert
call_answer: app: select, insert, update (state, applied_at, due_at, attempt, lease_owner, lease_until, fence, last_error)
call_answer.answer: app: select, insert
call_answer.answered_at: app: select, insert
call_answer.id: app: select, insert
call_answer.kind: app: select, insert
chargeback.amount: app: select, insert
chargeback.asset: app: select, insert
chargeback.beyond: app: select, insert
chargeback.cause: app: select, insert
chargeback.charge_id: app: select, insert
chargeback.customer_id: app: select, insert
chargeback.excess: app: select, insert
chargeback.fee: app: select, insert
chargeback.id: app: select, insert
chargeback.invoice_id: app: select, insert
chargeback.opened_at: app: select, insert
chargeback.payee_id: app: select, insert
chargeback.payment_id: app: select, insert
chargeback.program_id: app: select, insert
chargeback.provider: app: select, insert
chargeback.provider_ref: app: select, insert
commission.affiliate_id: app: select, insert
commission.amount: app: select, insert
commission.asset: app: select, insert
commission.created_at: app: select, insert
commission.id: app: select, insert
commission.level: app: select, insert
commission.matures_at: app: select, insert
commission.program_id: app: select, insert
commission.sale_id: app: select, insert
commission.taken_back: app: select, insert
customer_balance: id: program, customer and asset; overdue: what of the balance is due on invoices, and late
customer_entry: place: the order of what happened at one moment
debt: owed_by: payee or customer; amount: minor units
destination.actor: app: select, insert
destination.created_at: app: select, insert
destination.envelope: app: select, insert
destination.fingerprint: app: select, insert
destination.id: app: select, insert
destination.payee_id: app: select, insert
destination.program_id: app: select, insert
destination.provider: app: select, insert
destination.token: app: select, insert; auditor: none
dispute.asset: app: select, insert
dispute.cause: app: select, insert
dispute.customer_id: app: select, insert
dispute.exposure: app: select, insert
dispute.id: app: select, insert
dispute.invoice_id: app: select, insert
dispute.opened_at: app: select, insert
dispute.opened_by: app: select, insert
dispute.payee_id: app: select, insert
dispute.program_id: app: select, insert
drill.actor: app: select, insert
drill.asked_at: app: select, insert
drill.id: app: select, insert
drill.name: app: select, insert
drill.recover_to: app: select, insert
enter_program(text,boolean,integer): app: execute
escrow.amount: app: select, insert
escrow.asset: app: select, insert
escrow.created_at: app: select, insert
escrow.customer_id: app: select, insert
escrow.expires_at: app: select, insert
escrow.funded: app: select, insert
escrow.id: app: select, insert
escrow.payee_id: app: select, insert
escrow.program_id: app: select, insert
escrow.rate_version: app: select, insert
escrow.reference: app: select, insert
escrow.refunded: app: select, insert
escrow.released: app: select, insert
escrow.repaid: app: select, insert
event.at: app: select, insert
event.id: app: select, insert
event.level: app: select, insert
event.name: app: select, insert
event.payload: app: select, insert
event.program_id: app: select, insert
event.subject_id: app: select, insert
holdback_tranche.amount: app: select, insert
holdback_tranche.asset: app: select, insert
holdback_tranche.created_at: app: select, insert
holdback_tranche.id: app: select, insert
holdback_tranche.number: app: select, insert
holdback_tranche.payee_id: app: select, insert
holdback_tranche.program_id: app: select, insert
holdback_tranche.release_at: app: select, insert
holdback_tranche.settlement_id: app: select, insert
idempotency: app: select, insert, update, delete
idempotency.answer: auditor: none
idempotency.key: app: select, insert
idempotency.scope: app: select, insert
idempotency.sha256: app: select, insert
incident.code: app: select, insert
incident.id: app: select, insert
incident.opened_at: app: select, insert
incident.program_id: app: select, insert
incident.respond_by: app: select, insert
incident.title: app: select, insert
intent.created_at: app: select, insert
intent.id: app: select, insert
intent.invoice_id: app: select, insert
intent.program_id: app: select, insert
intent.provider: app: select, insert
intent.waits_until: null: as long after the due date of its invoice as every intent; set when payment is waited for again
invoice.asset: app: select, insert
invoice.carried_in: app: select, insert
invoice.carried_out: app: select, insert
invoice.customer_id: app: select, insert
invoice.due_on: app: select, insert
invoice.id: app: select, insert
invoice.issued_at: app: select, insert
invoice.payee_id: app: select, insert
invoice.program_id: app: select, insert
invoice.total: app: select, insert
journal_key_moved: app: select
key_space: app: select
listed_account: balance: on its normal side, minor units; held: what is set aside to lower it
listed_commission_rate: levels: basis points, the first of who referred; minimum: minor units
listed_fee_version: effective_at: the moment from which settlements use it, until the next version's
lock_accounts(text,text,text[]): app: execute
lock_payments(text[]): app: execute
log_key.seed: auditor: none
log_key_quantum.size: from this size of the log on each checkpoint of this key has a second line, of ML-DSA-44
login_attempt: app: select, insert, update, delete
login_attempt.begun_at: app: select, insert
login_attempt.browser_sha256: app: select, insert
login_attempt.next_path: app: select, insert
login_attempt.nonce: app: select, insert; auditor: none
login_attempt.state_sha256: app: select, insert
login_attempt.verifier: auditor: none
login_subject.id: app: select, insert
login_subject.issuer: app: select, insert
login_subject.linked_at: app: select, insert
login_subject.linked_by: app: select, insert
login_subject.principal_id: app: select, insert
login_subject.subject: app: select, insert
money_queue: app: select
not_kept_to_program: app: select
notice.channel: app: select, insert
notice.created_at: app: select, insert
notice.group_key: app: select, insert
notice.id: app: select, insert
notice.level: app: select, insert
notice.program_id: app: select, insert
notice.recipient: app: select, insert
open_hold: app: select
overpayment.amount: app: select, insert
overpayment.asset: app: select, insert
overpayment.cause: app: select, insert
overpayment.created_at: app: select, insert
overpayment.customer_id: app: select, insert
overpayment.id: app: select, insert
overpayment.invoice_id: app: select, insert
overpayment.payment_id: app: select, insert
overpayment.program_id: app: select, insert
password.hash: auditor: none
payment_file: app: select, insert, update (state, state_at, steps, downloaded_at)
payment_file.body: auditor: none
payment_file.envelope: app: select, insert
payout.amount: app: select, insert
payout.asset: app: select, insert
payout.created_at: app: select, insert
payout.id: app: select, insert
payout.invoice_id: app: select, insert
payout.key: app: select, insert
payout.payee_id: app: select, insert
payout.program_id: app: select, insert
payout.reissue: app: select, insert
payout.settlement_id: app: select, insert
payout_batch.asset: app: select, insert
payout_batch.created_at: app: select, insert
payout_batch.created_by: app: select, insert
payout_batch.id: app: select, insert
payout_batch.maker: app: select, insert
payout_batch.program_id: app: select, insert
payout_batch_line.amount: app: select, insert
payout_batch_line.asset: app: select, insert
payout_batch_line.batch_id: app: select, insert
payout_batch_line.destination_id: app: select, insert
payout_batch_line.number: app: select, insert
payout_batch_line.payee_id: app: select, insert
payout_batch_line.payout_id: app: select, insert
payout_batch_line.program_id: app: select, insert
payout_batch_line.provider: app: select, insert
payout_policy_in_force: by_rule_max and tiers_above: minor units; cooling_hours: how long a new destination is looked at
period_keys.keys: the file in its exact bytes
personal_data_policy.sha256: of the document itself, where it was given
principal: app: select, insert, update
principal.created_at: app: select, insert
principal.created_by: app: select, insert
principal.id: app: select, insert
principal.kind: app: select, insert
principal.name: app: select, insert
principal.program_id: app: select, insert
principal.skeleton: app: select, insert
program_segment: app: select
proof.close_size: app: select, insert
proof.created_at: app: select, insert
proof.duration_ms: app: select, insert
proof.entries: app: select, insert
proof.from_at: app: select, insert
proof.id: app: select, insert
proof.made_by: app: select, insert
proof.manifest_sha256: app: select, insert
proof.open_size: app: select, insert
proof.previous_id: app: select, insert
proof.reconciliation: app: select, insert
proof.to_at: app: select, insert
proof.verdict: app: select, insert
proof_export.actor: app: select, insert
proof_export.from_at: app: select, insert
proof_export.id: app: select, insert
proof_export.started_at: app: select, insert
proof_export.to_at: app: select, insert
provider_conflict: app: select, insert, update (state, state_at, steps)
provider_conflict.at: app: select, insert
provider_conflict.expected: app: select, insert
provider_conflict.fact: app: select, insert
provider_conflict.id: app: select, insert
provider_conflict.number: app: select, insert
provider_conflict.provider_payout_id: app: select, insert
provider_conflict.said: app: select, insert
provider_cursor.provider: app: select, insert
provider_payout.amount: app: select, insert
provider_payout.asset: app: select, insert
provider_payout.created_at: app: select, insert
provider_payout.destination: app: select, insert; auditor: none
provider_payout.destination_id: app: select, insert
provider_payout.id: app: select, insert
provider_payout.idempotency_key: app: select, insert
provider_payout.number: app: select, insert
provider_payout.payload_sha256: app: select, insert
provider_payout.payout_id: app: select, insert
provider_payout.program_id: app: select, insert
provider_payout.provider: app: select, insert
receipt_used(text): app: execute
reconciliation_run: app: select, insert, update, delete
reconciliation_run.actor: app: select, insert
reconciliation_run.first_on: app: select, insert
reconciliation_run.id: app: select, insert
reconciliation_run.last_on: app: select, insert
reconciliation_run.program_id: app: select, insert
reconciliation_run.scope: app: select, insert
reconciliation_run.slot_at: app: select, insert
reconciliation_run.source: app: select, insert
reconciliation_run.started_at: app: select, insert
recovery_code.factor_id: app: select, insert
recovery_code.number: app: select, insert
recovery_code.sha256: app: select, insert; auditor: none
reference_paid(text,text): app: execute
refund.amount: app: select, insert
refund.asset: app: select, insert
refund.cause: app: select, insert
refund.created_at: app: select, insert
refund.credited: app: select, insert
refund.customer_id: app: select, insert
refund.escrow: app: select, insert
refund.holdback: app: select, insert
refund.id: app: select, insert
refund.invoice_id: app: select, insert
refund.own_holdback: app: select, insert
refund.payable: app: select, insert
refund.payee_id: app: select, insert
refund.platform_fee: app: select, insert
refund.program_id: app: select, insert
refund.receivable: app: select, insert
refund.retain_fees: app: select, insert
refund.settlement_id: app: select, insert
refund.validator_fee: app: select, insert
request_turn: app: select, insert, update, delete
reversal: app: select
role_conflict: app: select
role_grant: app: select, insert, update
role_grant.granted_at: app: select, insert
role_grant.granted_by: app: select, insert
role_grant.id: app: select, insert
role_grant.principal_id: app: select, insert
role_grant.program_id: app: select, insert
role_grant.role: app: select, insert
role_grant.written_by: app: select, insert
runbook_run.alert_id: app: select, insert
runbook_run.ends_at: app: select, insert
runbook_run.id: app: select, insert
runbook_run.kind: app: select, insert
runbook_run.ordered: app: select, insert
runbook_run.program_id: app: select, insert
runbook_run.runbook: app: select, insert
runbook_run.sha256: app: select, insert
runbook_run.started_at: app: select, insert
runbook_run.started_by: app: select, insert
runbook_run.starts_at: app: select, insert
runbook_run.steps_written: app: select, insert
runbook_run.subject: app: select, insert
runbook_run.title: app: select, insert
schedule_moment: missed: so many moments in a row that nobody took, from first_at to slot_at; 0 for one that was taken
schedule_wish: app: select, insert, update, delete
seal: app: select
sealed_relation: app: select
second_administrator.announced_at: app: select, insert
second_administrator.announced_by: app: select, insert
second_administrator.begins_at: app: select, insert
second_administrator.id: app: select, insert
second_administrator.lapses_at: app: select, insert
second_administrator.principal_id: app: select, insert
second_administrator.reason: app: select, insert
second_administrator.written_at: app: select, insert
second_factor.envelope: app: select, insert
second_factor.id: app: select, insert
second_factor.made_at: app: select, insert
second_factor.principal_id: app: select, insert
second_factor.secret: auditor: none
sentinel_run.id: app: select, insert
session.address: app: select, insert
session.agent: app: select, insert
session.api_key_id: app: select, insert
session.created_at: app: select, insert
session.csrf: app: select, insert; auditor: none
session.factor_demanded: app: select, insert
session.factor_needed: app: select, insert
session.factor_until: app: select, insert
session.id: app: select, insert
session.idle_s: app: select, insert
session.opened_by: app: select, insert
session.principal_id: app: select, insert
session.secret_hash: app: select, insert; auditor: none
signer.created_at: app: select, insert
signer.created_by: app: select, insert
signer.id: app: select, insert
signer.person: app: select, insert
signer.principal_id: app: select, insert
signer.public_key: app: select, insert
signer.role: app: select, insert
signer.valid_until: app: select, insert
silence.actor: app: select, insert
silence.code: app: select, insert
silence.created_at: app: select, insert
silence.id: app: select, insert
silence.program_id: app: select, insert
silence.reason: app: select, insert
silence.until: app: select, insert
store_copy.bytes: app: select, insert
store_copy.found_at: app: select, insert
store_copy.id: app: select, insert
store_copy.path: app: select, insert
store_copy.sha256: app: select, insert
store_copy.store: app: select, insert
store_copy.subject_id: app: select, insert
two_phase.asked: app: select, insert
two_phase.commits: app: select, insert
two_phase.coordinator: app: select, insert
two_phase.created_at: app: select, insert
two_phase.created_by: app: select, insert
two_phase.expires_at: app: select, insert
two_phase.foreign_id: app: select, insert
two_phase.id: app: select, insert
two_phase.participants: app: select, insert
two_phase.program_id: app: select, insert
two_phase.reference: app: select, insert
two_phase_call.peer: app: select, insert
two_phase_call.program_id: app: select, insert
two_phase_call.transaction_id: app: select, insert
unidentified_payment.amount: app: select, insert
unidentified_payment.asset: app: select, insert
unidentified_payment.cause: app: select, insert
unidentified_payment.charge_id: app: select, insert
unidentified_payment.created_at: app: select, insert
unidentified_payment.customer_id: app: select, insert
unidentified_payment.id: app: select, insert
unidentified_payment.payment_id: app: select, insert
unidentified_payment.program_id: app: select, insert
unidentified_payment.provider: app: select, insert
unidentified_payment.reference: app: select, insert
usage_file.actor: app: select, insert
usage_file.began_at: app: select, insert
usage_file.file_name: app: select, insert
usage_file.id: app: select, insert
usage_file.lines: app: select, insert
usage_file.program_id: app: select, insert
usage_file.sha256: app: select, insert
usage_fraction.asset: app: select, insert
usage_fraction.customer_id: app: select, insert
usage_fraction.payee_id: app: select, insert
usage_fraction.program_id: app: select, insert
usage_import.actor: app: select, insert
usage_import.at: app: select, insert
usage_import.file_name: app: select, insert
usage_import.id: app: select, insert
usage_import.program_id: app: select, insert
usage_import.records: app: select, insert
usage_import.sha256: app: select, insert
usage_record.asset: app: select, insert
usage_record.customer_id: app: select, insert
usage_record.description: app: select, insert
usage_record.external_id: app: select, insert
usage_record.id: app: select, insert
usage_record.import_id: app: select, insert
usage_record.occurred_at: app: select, insert
usage_record.payee_id: app: select, insert
usage_record.price_micro: app: select, insert
usage_record.program_id: app: select, insert
usage_record.quantity_micro: app: select, insert
webhook_delivery.created_at: app: select, insert
webhook_delivery.endpoint_id: app: select, insert
webhook_delivery.event_id: app: select, insert
webhook_delivery.id: app: select, insert
webhook_delivery.program_id: app: select, insert
webhook_endpoint.about: app: select, insert
webhook_endpoint.created_at: app: select, insert
webhook_endpoint.created_by: app: select, insert
webhook_endpoint.events: app: select, insert
webhook_endpoint.id: app: select, insert
webhook_endpoint.min_level: app: select, insert
webhook_endpoint.program_id: app: select, insert
webhook_endpoint.url: app: select, insert
webhook_in.body: app: select, insert; auditor: none
webhook_in.body_sha256: app: select, insert; auditor: none
webhook_in.envelope: app: select, insert
webhook_in.event_id: app: select, insert
webhook_in.event_type: app: select, insert
webhook_in.id: app: select, insert
webhook_in.provider: app: select, insert
webhook_in.received_at: app: select, insert
webhook_secret.secret: auditor: none
webhook_secret.seed: auditor: none
