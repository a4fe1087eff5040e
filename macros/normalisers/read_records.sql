{#-
    A query that reads the records of `relation` (columns id, raw, absent_since, load_id and loaded_at): their texts, as
    litres_text, and the figures and times in them, as litres. Plates and spellings are for the caller to look up.

    `limit all` keeps the planner from merging the steps: it would evaluate an expression each time it is used.
    `timestamp_parser`, the function, reads times as parse_timestamp does, and leaves a query parallel.
-#}
{% macro read_records(relation, timestamp_parser=none) -%}
with field_texts as (

    select
        {{ public_id('id') }} collate "C" as id,
        id as landed_id,
        absent_since,
        load_id,
        loaded_at,
        {{ feed_text('car') }} as car_text,
        {%- for field in var('aliases') %}
        {{ feed_text(field) }} as {{ field }}_text,
        {%- endfor %}
        {{ feed_text('litres') }} as litres_text,
        {{ feed_text('amount') }} as amount_text,
        {{ feed_text('odometer') }} as odometer_text,
        {{ feed_text('filled_at') }} as filled_at_text,
        {{ feed_text('created_at') }} as created_at_text,
        {{ feed_text('updated_at') }} as updated_at_text,
        {{ feed_text('deleted_at') }} as deleted_at_text
    from {{ relation }}
    limit all

),

parsed as (

    select
        *,
        {{ parse_number('litres_text', 'litres') }} as litres_number,
        {{ parse_number('amount_text', 'kes') }} as amount_number,
        {{ parse_number('odometer_text', 'km') }} as odometer_number,
        {{ parse_timestamp('filled_at_text', timestamp_parser ~ '(filled_at_text)' if timestamp_parser) }} as filled_at_typed,
        {{ parse_timestamp('created_at_text', timestamp_parser ~ '(created_at_text)' if timestamp_parser) }} as created_at,
        {{ parse_timestamp('deleted_at_text', timestamp_parser ~ '(deleted_at_text)' if timestamp_parser) }} as stated_deleted_at
    from field_texts
    limit all

),

measured as (

    select
        *,
        -- A mistyped year neither moves spend to another year nor tears a vehicle's chain of readings.
        case
            when created_at is null then filled_at_typed
            when filled_at_typed is null or {{ is_far_from_report('filled_at_typed', 'created_at') }} then created_at
            else filled_at_typed
        end as filled_at,
        -- No fill is ten million litres, shillings or km; a phone number or a date in its place would be.
        {{ number_or_null('litres_number', 10, 3) }}::numeric(12, 3) as litres,
        {{ number_or_null('amount_number', 9, 2) }}::numeric(14, 2) as amount_kes,
        {{ number_or_null('odometer_number', 8, 1) }}::numeric(12, 1) as odometer_km,
        -- Most records were never edited.
        case
            when updated_at_text = created_at_text then created_at
            else {{ parse_timestamp('updated_at_text', timestamp_parser ~ '(updated_at_text)' if timestamp_parser) }}
        end as updated_at
    from parsed
    limit all

),

deleted as (

    -- `true` or a time of this century that cannot be read is a deletion all the same. Anything else
    -- there, as a time long ago or never to come, is an exporter's word for none.
    select
        *,
        case
            when
                stated_deleted_at is null
                and deleted_at_text ~* '^(?:t(?:rue)?|y(?:es)?|1)$|delet|remov|(?:^|[^0-9])20[0-9]{2}'
                then coalesce(updated_at, loaded_at)
            else stated_deleted_at
        end as deleted_at
    from measured
    limit all

),

priced as (

    select
        *,
        case when filled_at = filled_at_typed then 'typed' when filled_at is not null then 'reported' end as filled_at_source,
        -- A date alone is midnight in Nairobi.
        cast(filled_at at time zone 'Africa/Nairobi' as time) <> '00:00' as has_time,
        case
            when litres > 0 then {{ number_or_null('amount_kes / litres', 14, 4) }}
        end as price_per_litre_kes
    from deleted
    limit all

)

select * from priced
{%- endmacro %}
