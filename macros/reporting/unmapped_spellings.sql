{#-
    A query for the spellings of a list on live fills that the list does not map: columns spelling and spelling_key. One
    index probe for each distinct spelling, however many fills use it. Near misses of a closed list are read too, so there
    the stored value decides, not the list.
-#}
{% macro unmapped_spellings(field) -%}
    with recursive spellings (spelling) as (

        {{ each_spelling(ref('records'), field ~ '_raw', 'deleted_at is null and absent_since is null') }}

    ),

    keyed as (

        select
            spelling,
            {{ alias_key('spelling') }} as spelling_key
        from spellings
        where spelling is not null

    )

    select
        keyed.spelling,
        keyed.spelling_key
    from keyed
    {%- if var('aliases')[field] == 'closed' %}
    where (
        select records.{{ field }} from {{ ref('records') }} as records
        where records.{{ field }}_raw = keyed.spelling
        limit 1
    ) is null
    {%- else %}
    where not exists (
        select 1 from {{ ref(field ~ '_aliases') }} as aliases
        where {{ alias_key('aliases.alias') }} = keyed.spelling_key
    )
    {%- endif %}
{%- endmacro %}


{#- The same of all lists that may be shown, with the column field. -#}
{% macro all_unmapped_spellings() -%}
    {% for field in shown_alias_lists() -%}
        select
            '{{ field }}' as field,
            spelling,
            spelling_key
        from ({{ unmapped_spellings(field) }}) as {{ field }}_spellings
        {{ 'union all' if not loop.last }}
    {% endfor %}
{%- endmacro %}


{#- The columns shared by spellings that need one line in a CSV: they differ only in case, punctuation or blanks. -#}
{% macro line_of_spelling() -%}
    field, spelling_key, case when spelling_key is null then spelling end
{%- endmacro %}


{#- The alias lists whose spellings reporting may show: drivers only where var show_drivers allows it. -#}
{% macro shown_alias_lists() -%}
    {{ return(var('aliases').keys() | reject('equalto', none if var('show_drivers') else 'driver') | list) }}
{%- endmacro %}


{#- A driver as a view of reporting shows him: not at all where var show_drivers is false. -#}
{% macro shown_driver(driver) -%}
    {{ driver if var('show_drivers') else 'null::text' }}
{%- endmacro %}
