{#-
    Fingerprint of everything that decides what a row of fuel.records looks like, apart from the landing row and the
    alias CSVs: the model's own file, the text of every macro it uses, and the field map. It is stored with each row;
    rows that carry another one are derived again. A test checks that no macro of the model is missing here.
-#}
{% macro records_fingerprint() -%}
    {%- set parts = [
        read_records('raw_records'), feed_text('car'), norm_plate('raw_value'), visible_text('raw_value'),
        without_phone_numbers('raw_value'),
    ] -%}
    {%- for field in var('aliases') -%}
        {%- do parts.append(canonical_values(field, 'spellings', alias_list(field))) -%}
    {%- endfor -%}
    {%- if execute -%}
        {%- do parts.append(graph.nodes['model.' ~ project_name ~ '.records'].raw_code) -%}
    {%- endif -%}
    {#- Two databases with the same code give the same fingerprint. -#}
    {{- local_md5(without_database(parts | join('\n'))) -}}
{%- endmacro %}


{#- SQL that names no database, and so holds in each: a renamed one, a copy. A schema may have the same name. -#}
{% macro without_database(sql) -%}
    {{- sql | replace(adapter.quote(target.database) ~ '."', '"') -}}
{%- endmacro %}


{#-
    The reasons why rows of `relation` are stale, found through its indexes without looking at its rows: a dictionary of

    * max_load_id: its own newest load; rows of later loads have not been derived yet. None when it is empty.
    * all_rows: whether a row carries another fingerprint than `fingerprint`, or `source`, what the table is derived
      from, has gone back behind it (its backup was restored): numbers of loads are then given out a second time.
    * spellings: by raw column, the spellings for which the function now gives another value than a row has stored.

    `raw_columns` are those with spellings of alias lists, e.g. ['fuel_type_raw']; the canonical value of `fuel_type_raw`
    stands in `fuel_type`. Needed indexes: (load_id), also of `source`, (derivation) and (raw column, canonical column).
    Costs a few index probes for each distinct spelling.
-#}
{% macro staleness(relation, source, fingerprint, raw_columns) -%}
    {#- A list that is new in this version has no column yet: the fingerprint, another one too, then tells of all rows. -#}
    {%- set stored_columns = adapter.get_columns_in_relation(relation) | map(attribute='name') | list -%}
    {%- set raw_columns = raw_columns | select('in', stored_columns) | list -%}
    {%- set query -%}
        {{ settings_of_long_statements() }}
        with recursive
        {%- for raw_column in raw_columns %}
        {%- set field = raw_column.removesuffix('_raw') %}

        {{ field }}_spellings (spelling) as (
            {{ each_spelling(relation, raw_column, cte=field ~ '_spellings') }}
        ),

        {{ field }}_values as (
            {{ canonical_values(field, '(select spelling from ' ~ field ~ '_spellings where spelling is not null)', alias_list(field)) }}
        ),

        -- All rows of a spelling have the right value if the lowest and the highest one are right.
        {{ field }}_stale as (
            select current.spelling
            from {{ field }}_values as current
            where
                current.canonical is distinct from (
                    select {{ field }} from {{ relation }} where {{ raw_column }} = current.spelling
                    order by {{ raw_column }}, {{ field }} limit 1
                )
                or current.canonical is distinct from (
                    select {{ field }} from {{ relation }} where {{ raw_column }} = current.spelling
                    order by {{ raw_column }} desc, {{ field }} desc limit 1
                )
        ),
        {%- endfor %}

        all_rows as (
            select
                {{ is_of_other_code(relation, fingerprint) }}
                or {{ has_gone_back(relation, source) }} as all_rows
        )

        select 'max_load_id' as reason, max(load_id)::text as value from {{ relation }}
        union all
        select 'all_rows', all_rows::text from all_rows where all_rows
        {%- for raw_column in raw_columns %}
        union all
        select '{{ raw_column }}', spelling from {{ raw_column.removesuffix('_raw') }}_stale
        {%- endfor %}
    {%- endset -%}

    {%- set found = {'max_load_id': none, 'all_rows': false, 'spellings': {}} -%}
    {%- for raw_column in raw_columns -%}
        {%- do found['spellings'].update({raw_column: []}) -%}
    {%- endfor -%}
    {%- for row in run_query(query) -%}
        {%- if row['reason'] == 'max_load_id' -%}
            {%- do found.update({'max_load_id': row['value']}) -%}
        {%- elif row['reason'] == 'all_rows' -%}
            {%- do found.update({'all_rows': true}) -%}
        {%- else -%}
            {%- do found['spellings'][row['reason']].append(row['value']) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}


{#-
    Body of a recursive CTE, `cte (spelling)`: each spelling of `raw_column` in the rows of `relation` that `condition`
    holds for, and a null at the end. A loose index scan: PostgreSQL jumps from one spelling to the next.
-#}
{% macro each_spelling(relation, raw_column, condition='true', cte='spellings') -%}
    select min({{ raw_column }}) from {{ relation }} where {{ condition }}
    union all
    select (
        select min({{ raw_column }}) from {{ relation }}
        where {{ raw_column }} > {{ cte }}.spelling and {{ condition }}
    )
    from {{ cte }}
    where {{ cte }}.spelling is not null
{%- endmacro %}


{#- The SQL condition that `source` has gone back behind `relation`, which is derived from it: two index probes. -#}
{% macro has_gone_back(relation, source) -%}
    (select max(load_id) from {{ relation }}) > (select max(load_id) from {{ source }})
{%- endmacro %}


{#-
    Pre-hook: a second build waits until the first is through with this table. One that had read an older landing, or
    an older fuel.records, could else write last, over rows of a newer load, and `staleness` would not see it.
-#}
{% macro one_build_at_a_time() -%}
    {{ settings_of_long_statements() }}
    select pg_advisory_xact_lock(hashtextextended('{{ this }}', 0))
{%- endmacro %}


{#-
    Pre-hook of a table derived from `source`: if that has gone back, or the code is another one, the rows that do not stand
    for one of its rows (any more) are deleted. Their new state is then derived in the same transaction, see `staleness`.
    Otherwise nothing but four index probes. `id` is the SQL expression of a row's id, on the columns of `latest`.
-#}
{% macro delete_what_went_back(source, fingerprint, id='latest.id') -%}
    {%- set is_needed = 'select ' ~ has_gone_back(this, source) ~ ' or ' ~ is_of_other_code(this, fingerprint) -%}
    {%- if is_incremental() and run_query(is_needed).columns[0].values()[0] -%}
        delete from {{ this }} as present
        where not exists (select 1 from {{ source }} as latest where {{ id }} = present.id)
    {%- endif -%}
{%- endmacro %}


{#- The SQL condition that a row of `relation` carries another fingerprint: two index probes. -#}
{% macro is_of_other_code(relation, fingerprint) -%}
    (
        exists (select 1 from {{ relation }} where derivation < '{{ fingerprint }}')
        or exists (select 1 from {{ relation }} where derivation > '{{ fingerprint }}')
    )
{%- endmacro %}


{#- `column in ('…', …)` for each raw column with stale spellings, joined with `or`; empty if there are none. -#}
{% macro stale_spellings_condition(spellings) -%}
    {%- set conditions = [] -%}
    {%- for raw_column, values in spellings.items() if values -%}
        {%- do conditions.append(raw_column ~ ' in (' ~ sql_literals(values) | join(', ') ~ ')') -%}
    {%- endfor -%}
    {{- conditions | join(' or ') -}}
{%- endmacro %}
