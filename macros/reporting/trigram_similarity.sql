{#-
    How alike two texts are, 0 to 1: the share of common trigrams, as the extension pg_trgm counts them. Without the
    extension the same figure is worked out in plain SQL, only slower. Texts are expected in lower case.
-#}
{% macro trigram_similarity(left, right) -%}
    {%- set extension_schema = pg_trgm_schema() -%}
    {%- if extension_schema -%}
        {{ adapter.quote(extension_schema) }}.similarity({{ left }}, {{ right }})::numeric
    {%- else -%}
        {{ plain_trigram_similarity(left, right) }}
    {%- endif -%}
{%- endmacro %}


{#-
    How alike a typed text and an alias are, 0 to 1: the share of common trigrams, or, where one slip of the finger lies
    between them (as for near misses of a fuel), the share of letters it left alone. Two swapped letters in a short word
    spoil most of its trigrams: `slaes` and `sales` have 0.2 of them in common.
-#}
{% macro likeness(alias, typed) -%}
    greatest(
        {{ trigram_similarity(alias, typed) }},
        case
            when
                length({{ alias }}) >= 5
                and abs(length({{ alias }}) - length({{ typed }})) <= 1
                and {{ one_slip_apart(alias, typed) }}
                then 1 - 1 / length({{ alias }})::numeric
        end
    )
{%- endmacro %}


{#- `trigram_similarity` without the extension. -#}
{% macro plain_trigram_similarity(left, right) -%}
    (
        select count(*) filter (where trigrams.texts_with_it = 2) / greatest(count(*), 1)::numeric
        from (
            select count(distinct texts.side) as texts_with_it
            from (values ('left', {{ left }}), ('right', {{ right }})) as texts (side, content)
            cross join lateral regexp_split_to_table(texts.content, '[^[:alnum:]]+') as words (word)
            cross join lateral generate_series(1, length(words.word) + 1) as places (place)
            where words.word <> ''
            group by substr('  ' || words.word || ' ', places.place, 3)
        ) as trigrams
    )
{%- endmacro %}


{#-
    The schema where pg_trgm is installed; a build installs it where it may. None where it cannot be had, or where not
    everybody may call its function: who reads a view calls the functions in it himself.
-#}
{% macro pg_trgm_schema() -%}
    {%- if not execute -%}
        {{ return(none) }}
    {%- endif -%}
    {%- set query -%}
        select
            available.name,
            installed_in.nspname as schema_name,
            has_schema_privilege(installed_in.oid, 'usage')
            and exists (
                select from pg_catalog.pg_proc
                where
                    pronamespace = installed_in.oid
                    and proname = 'similarity'
                    and has_function_privilege('public', pg_proc.oid, 'execute')
            ) as may_call,
            available.trusted and has_database_privilege(current_database(), 'create') as may_install
        from pg_catalog.pg_available_extension_versions as available
        left join pg_catalog.pg_extension as installed on installed.extname = available.name
        left join pg_catalog.pg_namespace as installed_in on installed_in.oid = installed.extnamespace
        where available.name = 'pg_trgm'
        order by available.version desc
        limit 1
    {%- endset -%}
    {%- for extension in run_query(query) -%}
        {%- if extension['schema_name'] -%}
            {{ return(extension['schema_name'] if extension['may_call'] else none) }}
        {%- elif extension['may_install'] and flags.WHICH in ('build', 'run') -%}
            {%- call statement('install_pg_trgm') -%}
                create extension if not exists pg_trgm schema {{ adapter.quote(target.schema) }}
            {%- endcall -%}
            {%- do adapter.commit() -%}
            {{ return(pg_trgm_schema()) }}
        {%- endif -%}
    {%- endfor -%}
    {{ return(none) }}
{%- endmacro %}
