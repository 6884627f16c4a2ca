-- +goose Up
alter table refunds rename column calls_off to void;
alter table refunds rename column followed to has_workflow;
alter table orders rename column followed to has_workflow;
update order_history set reason_code = case reason_code when 'called_off' then 'payment_voided' else 'reservation_expired' end
where reason_code in ('called_off', 'stock_gone');
update refunds set reason_code = case reason_code when 'called_off' then 'payment_voided' else 'reservation_expired' end
where reason_code in ('called_off', 'stock_gone');
