{#-
    A query for what spellings mean by an alias list: columns spelling and canonical. An exact key first. A spelling that an
    open list does not hold is kept, tidied. In a closed list each value is a spelling of itself, and spellings one slip
    away (a letter wrong, missing, too many, or two swapped) from an alias of five letters or more count too; as near to
    two values as to one is no answer. A spelling that a closed list does not hold is looked up without its quantities:
    `Ad-Blue 10L` is AdBlue, `engine oil 5w30` is engine oil. Plain SQL: extensions may not be creatable where this runs.

    One slip apart means that both give the same text when at most one letter is taken out of each (SymSpell): so near
    misses are found by a hash join, and only those few pairs are compared letter by letter.
-#}
{% macro canonical_values(field, spellings, aliases) -%}
    {%- set is_closed = var('aliases')[field] == 'closed' -%}
    with typed as materialized (

        select
            spelling,
            {{ 'spelling_key' if is_closed else alias_key('tidied') ~ ' as spelling_key' }},
            {{ without_quantities('spelling_key') ~ ' as words_key' if is_closed else 'tidied' }}
        from (
            select
                spelling,
                {{ alias_key('spelling') ~ ' as spelling_key' if is_closed else tidy_text('spelling') ~ ' as tidied' }}
            from {{ spellings }} as spellings
            limit all
        ) as tidy

    ),

    {% if is_closed -%}
    aliases as materialized (

        select
            {{ adapter.quote(field) }} as canonical,
            {{ alias_key('alias') }} as alias_key
        from {{ aliases }}
        union all
        select
            {{ adapter.quote(field) }} as canonical,
            {{ alias_key(adapter.quote(field)) }} as alias_key
        from {{ aliases }}

    ),

    listed as materialized (

        select
            typed.spelling,
            typed.words_key,
            coalesce(min(aliases.canonical), min(aliases_of_words.canonical)) as canonical
        from typed
        left join aliases on typed.spelling_key = aliases.alias_key
        left join aliases as aliases_of_words on typed.words_key = aliases_of_words.alias_key
        group by typed.spelling, typed.words_key

    ),

    alias_variants as (

        {{ one_letter_less('aliases', 'alias_key', 'canonical', 'length(alias_key) >= 5') }}

    ),

    spelling_variants as (

        {{ one_letter_less('listed', 'words_key', 'spelling',
            'canonical is null and length(words_key) between 4 and (select max(length(alias_key)) + 1 from aliases)') }}

    ),

    near as (

        select
            spelling_variants.spelling,
            case when min(alias_variants.canonical) = max(alias_variants.canonical) then min(alias_variants.canonical) end
                as canonical
        from spelling_variants
        inner join alias_variants on spelling_variants.variant = alias_variants.variant
        where
            abs(length(spelling_variants.words_key) - length(alias_variants.alias_key)) <= 1
            and {{ one_slip_apart('spelling_variants.words_key', 'alias_variants.alias_key') }}
        group by spelling_variants.spelling

    )

    select
        listed.spelling,
        coalesce(listed.canonical, near.canonical) as canonical
    from listed
    left join near on listed.spelling = near.spelling
    {%- else -%}
    listed as (

        select
            typed.spelling,
            typed.spelling_key,
            typed.tidied,
            min(aliases.{{ adapter.quote(field) }}) as canonical
        from typed
        left join {{ aliases }} as aliases on {{ alias_key('aliases.alias') }} = typed.spelling_key
        group by typed.spelling, typed.spelling_key, typed.tidied

    )

    select
        spelling,
        coalesce(canonical, case when spelling_key is not null then tidied end) as canonical
    from listed
    {%- endif %}
{%- endmacro %}


{#- A key without figures and what they count: `puncture x2 kes 500` is `puncture`. -#}
{% macro without_quantities(key) -%}
    nullif(
        btrim(
            regexp_replace(
                {{ key }} collate "C",
                e' *\\m(?:(?:kes|k?shs?|dot) )?(?:x ?)?[0-9][a-z0-9]*(?: (?:l|lts?|ltrs?|lit(?:re|er|a)?s?|ml|kgs?|g|pcs?|pieces|ppm|bob)\\M)*', '', 'g'
            )
        ),
        ''
    ) collate "default"
{%- endmacro %}


{#- The value of one spelling, as an expression. -#}
{% macro canonical_value(field, value, aliases) -%}
    (
        select canonical from ({{ canonical_values(field, '(select ' ~ value ~ ' as spelling)', aliases) }}) as canonical_values
    )
{%- endmacro %}


{#- A query for the texts in `key` as they are and with each one of their letters taken out. -#}
{% macro one_letter_less(relation, key, carried, condition) -%}
    select distinct
        {{ carried }},
        {{ key }},
        left({{ key }}, place - 1) || substr({{ key }}, place + 1) as variant
    from {{ relation }}
    cross join lateral generate_series(1, length({{ key }}) + 1) as places (place)
    where {{ condition }}
{%- endmacro %}


{#-
    The table of a list, for a node that depends on its function: it stands in the same schema. `ref` would make every
    unit test of that node give all lists as inputs.
-#}
{% macro alias_list(field) -%}
    {%- set reader = function('canon_' ~ field) -%}
    {{ return(api.Relation.create(database=reader.database, schema=reader.schema, identifier=field ~ '_aliases')) }}
{%- endmacro %}


{#-
    The value of one spelling as fuel.records has it: nearly every spelling stands in some record, beside what it means.
    Much quicker than canonical_value where a query has many rows.
-#}
{% macro canonical_value_of_records(field, spelling) -%}
    case
        {#- No `exists`: PostgreSQL might look all spellings up to answer for these few. #}
        when (
            select true from {{ ref('records') }} as known where known.{{ field }}_raw = {{ spelling }} limit 1
        ) then (
            select known.{{ field }} from {{ ref('records') }} as known
            where known.{{ field }}_raw = {{ spelling }}
            order by known.{{ field }}_raw, known.{{ field }}
            limit 1
        )
        else {{ canonical_value(field, spelling, ref(field ~ '_aliases')) }}
    end
{%- endmacro %}
