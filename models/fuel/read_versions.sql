{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        full_refresh=false,
        on_schema_change='append_new_columns',
        pre_hook=['{{ one_build_at_a_time() }}', '{{ forget_versions() }}'],
        post_hook='{{ analyze_if_much_changed() }}',
        indexes=[{'columns': ['replaced_at']}, {'columns': ['derivation']}],
    )
}}

with new_versions as not materialized (

    select
        versions.id,
        versions.raw,
        null::timestamptz as absent_since,
        versions.replaced_by_load_id as load_id,
        versions.replaced_at as loaded_at
    from {{ source('fuel', 'record_versions') }} as versions
    {%- if is_incremental() %}
    where not exists (
        select 1 from {{ this }} as present
        where {{ is_same_version('present', 'versions') }}
    )
    {%- endif %}

),

records as (

    {{ read_records('new_versions', function('parse_timestamp')) }}

),

visible_texts as (

    select
        {%- for field in var('aliases') %}
            {{ visible_text(field ~ '_text') }} as {{ field }}_visible,
        {%- endfor %}
        records.*
    from records
    limit all

)

select
    id,
    load_id as replaced_by_load_id,
    loaded_at as replaced_at,
    {{ function('norm_plate') }}(car_text) collate "C" as plate,
    {%- for field in var('aliases') %}
        left({{ without_phone_numbers(field ~ '_visible') }}, 200) as {{ field }}_raw,
    {%- endfor %}
    litres,
    amount_kes,
    odometer_km,
    filled_at,
    deleted_at,
    '{{ read_versions_fingerprint() }}'::text as derivation,
    nullif(landed_id, id) as raw_id
from visible_texts
