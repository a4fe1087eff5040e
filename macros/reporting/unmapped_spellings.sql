{#-
    A query for the spellings of `raw_column` on live fills that their alias CSV does not map: columns spelling and
    spelling_key. One index probe for each distinct spelling, however many fills use it.

    `is_mapped` is an SQL condition on `spelling` and `spelling_key` that says whether the CSV maps it.
-#}
{% macro unmapped_spellings(raw_column, is_mapped) -%}
    with recursive spellings (spelling) as (

        {{ each_spelling(ref('records'), raw_column, 'deleted_at is null and absent_since is null') }}

    ),

    keyed as (

        select
            spelling,
            {{ alias_key('spelling') }} as spelling_key
        from spellings
        where spelling is not null

    )

    select
        spelling,
        spelling_key
    from keyed
    where not {{ is_mapped }}
{%- endmacro %}


{#- `unmapped_spellings` of both fields: columns field, spelling and spelling_key. -#}
{% macro all_unmapped_spellings() -%}
    {%- set department_is_listed -%}
        exists (
            select from {{ ref('department_aliases') }} as aliases
            where {{ alias_key('aliases.alias') }} = keyed.spelling_key
        )
    {%- endset -%}
    {#- Near misses of a fuel are read too, so its stored value decides, not the CSV. -#}
    {%- set fuel_type_is_read -%}
        exists (
            select from {{ ref('records') }} as records
            where records.fuel_type_raw = keyed.spelling and records.fuel_type is not null
        )
    {%- endset -%}
    select
        'department' as field,
        spelling,
        spelling_key
    from ({{ unmapped_spellings('department_raw', department_is_listed) }}) as departments
    union all
    select
        'fuel_type',
        spelling,
        spelling_key
    from ({{ unmapped_spellings('fuel_type_raw', fuel_type_is_read) }}) as fuel_types
{%- endmacro %}
