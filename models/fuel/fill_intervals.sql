{{
    config(
        materialized='incremental',
        incremental_strategy='upsert',
        unique_key='id',
        full_refresh=false,
        on_schema_change='append_new_columns',
        pre_hook=['{{ one_build_at_a_time() }}', '{{ delete_what_went_back(ref("records"), fill_intervals_fingerprint()) }}'],
        post_hook='{{ analyze_if_much_changed() }}',
        indexes=[
            {'columns': ['plate', 'filled_at']},
            {'columns': ['filled_at']},
            {'columns': ['load_id']},
            {'columns': ['derivation']},
            {'columns': ['fuel_type_raw', 'fuel_type']},
            {'columns': ['fuel_type', 'filled_week', 'price_per_litre_kes']},
        ],
    )
}}

{%- set fingerprint = fill_intervals_fingerprint() %}
{%- do alias_list('fuel_type') %}
{#- Which rows are stale is asked first, so that the planner sees plain values and uses its indexes. #}
{%- set stale = staleness(this, ref('records'), fingerprint, ['fuel_type_raw']) if is_incremental() else {} %}
{%- set stale_spellings = stale_spellings_condition(stale.get('spellings', {})) %}
{%- set some_rows = stale.get('max_load_id') and not stale.all_rows %}

with
{%- if some_rows %}
changed_ids as (

    select id from {{ ref('records') }} where load_id > {{ stale.max_load_id }}
    {%- if stale_spellings %}
    union
    select id from {{ this }} where {{ stale_spellings }}
    {%- endif %}

),

changed_plates as (

    -- A fill that moved from one vehicle to another changes both.
    select stored.plate from changed_ids inner join {{ this }} as stored on changed_ids.id = stored.id
    union
    select latest.plate
    from changed_ids
    inner join {{ ref('records') }} as latest on changed_ids.id = latest.id

),
{%- endif %}

fills_of_vehicles as (

    -- PostgreSQL takes the condition through all steps to the index: see models/economy/economy.yml.
    select
        id,
        plate,
        filled_at,
        date_trunc('week', filled_at at time zone 'Africa/Nairobi')::date as filled_week,
        date_trunc('month', filled_at at time zone 'Africa/Nairobi')::date as filled_month,
        department_raw,
        fuel_type_raw,
        fuel_type,
        litres,
        amount_kes,
        price_per_litre_kes,
        odometer_km,
        duplicate_of_id,
        previous_odometer_km,
        distance_km,
        round(((filled_s - previous_end_s) / 86400)::numeric, 3) as days_since_previous,
        case when is_valid then litres_of_interval end as interval_litres,
        case when is_valid then amount_of_interval_kes end as interval_amount_kes,
        case when is_valid then round(distance_km / litres_of_interval, 3) end as km_per_litre,
        case when is_valid then round(litres_of_interval * 100 / distance_km, 3) end as litres_per_100km,
        case when is_valid then round(amount_of_interval_kes / distance_km, 3) end as kes_per_km,
        round(rolling_km_per_litre::numeric, 3) as rolling_km_per_litre,
        rolling_intervals::int as rolling_intervals,
        coalesce(is_valid, false) as is_valid,
        exclusion_reason,
        case
            when
                is_counted and has_time is not false and previous_fill_has_time is not false
                then round(((filled_s - previous_fill_s) / 3600)::numeric, 3)
        end as hours_since_previous_fill,
        previous_fill_litres,
        km_since_previous_fill,
        round(usual_distance_km::numeric, 1) as usual_distance_km,
        usual_max_litres,
        litres_samples,
        round(usual_km_per_litre::numeric, 3) as usual_km_per_litre,
        case when is_valid then round(last_two_km_per_litre::numeric, 3) end as last_two_km_per_litre,
        round(unexplained_litres::numeric, 3) as unexplained_litres,
        km_per_litre_mad,
        km_per_litre_samples,
        fills_up,
        usual_fuel_type,
        usual_fuel_type_share,
        fuel_type_samples,
        month_fills,
        month_litres,
        month_amount_kes,
        month_priced_litres,
        month_priced_amount_kes,
        month_km,
        month_km_litres,
        load_id,
        corrected_field,
        corrected_to,
        case
            when is_valid and usual_km_per_litre is not null
                then round(
                    greatest(litres_of_interval - distance_km / usual_km_per_litre::numeric, 0)
                    * amount_of_interval_kes / litres_of_interval, 2
                )
        end as lost_kes
    from {{ ref('month_sums') }}
    {%- if some_rows %}
    where plate = any(array(select plate from changed_plates))
    {%- endif %}

)

select fills_of_vehicles.*, '{{ fingerprint }}'::text as derivation from fills_of_vehicles
union all
select plateless_fills.*, '{{ fingerprint }}' from {{ ref('plateless_fills') }} as plateless_fills
{%- if some_rows %}
where id = any(array(select id from changed_ids))
{%- endif %}
