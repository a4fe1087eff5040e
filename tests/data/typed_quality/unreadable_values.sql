-- Typed values of the last 24 hours that could not be read. Older ones were told before.
select * from {{ ref('v_unreadable_values') }}
where loaded_at > now() - interval '24 hours'
