-- Usage is summed before it is rounded. What an invoice leaves of a minor unit goes on to the next invoice of the same customer, payee
-- and asset, so that all invoices together bill what was used, to the unit. Fractions are counted in 10⁻¹² of a minor unit: the
-- millionths of a quantity times the millionths of a price.

alter table invoice
    add column carried_in  bigint constraint invoice_carries_a_fraction_in  check (carried_in between 0 and 999999999999),
    add column carried_out bigint constraint invoice_carries_a_fraction_out check (carried_out between 0 and 999999999999),
    add constraint invoice_carries_in_and_out check ((carried_in is null) = (carried_out is null));
comment on column invoice.carried_in is 'null: issued when each record was rounded by itself';

create table usage_fraction (                      -- what is used and not billed yet, below one unit
    program_id  text   not null references program,
    customer_id text   not null,
    payee_id    text   not null,
    asset       text   not null references asset,
    fraction    bigint not null constraint usage_fraction_is_one check (fraction between 0 and 999999999999),
    primary key (program_id, customer_id, payee_id, asset)
);
