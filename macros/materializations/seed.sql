{#-
  dbt's own seed truncates the table (readers wait, then see it empty) or, with --full-refresh, drops it with
  everything above it. Here a seed table is brought to the content of its CSV in place: one transaction, only
  the rows that differ, and nothing at all when the CSV did not change.
-#}
{% materialization seed, adapter='postgres' %}

    {%- set csv = load_agate_table() -%}
    {%- if csv is undefined -%}
        {%- do refuse_seed(['the file is empty']) -%}
    {%- endif -%}
    {%- do store_result('agate_table', response='OK', agate_table=csv) -%}
    {%- set existing = adapter.get_relation(database=database, schema=schema, identifier=model['alias']) -%}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- if existing is not none and not existing.is_table -%}
        {{ exceptions.raise_compiler_error("Cannot seed to '" ~ existing.render() ~ "', it is a " ~ existing.type) }}
    {%- endif -%}

    {#- Before the hooks, so that a wrong file leaves no trace whatever they do. -#}
    {%- do check_seed(csv) -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {%- if existing is none -%}
        {%- do create_csv_table(model, csv) -%}
        {%- do create_indexes(target_relation) -%}
    {%- else -%}
        {%- do sync_seed_columns(target_relation, csv) -%}
    {%- endif -%}
    {%- set written = sync_seed_rows(target_relation, csv) -%}
    {%- call noop_statement('main', 'SEED ' ~ written, 'SEED', written) -%}
        {{ seed_content_sql(csv) }}
    {%- endcall -%}

    {%- do apply_grants(target_relation, config.get('grants'), should_revoke=existing is not none) -%}
    {%- do persist_docs(target_relation, model) -%}

    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}

    {{ return({'relations': [target_relation]}) }}

{% endmaterialization %}


{%- macro seed_column_types(csv) -%}
    {%- set types = {} -%}
    {%- for name in csv.column_names -%}
        {%- set inferred = adapter.convert_type(csv, loop.index0) -%}
        {%- do types.update({name: config.get('column_types', {}).get(name, inferred)}) -%}
    {%- endfor -%}
    {{ return(types) }}
{%- endmacro -%}


{%- macro seed_key_sql(csv) -%}
    {%- set key = [] -%}
    {%- for name in config.meta_get('csv_checks', {}).get('key', []) -%}
        {%- do key.append(alias_key(adapter.quote(name) ~ '::text')) -%}
    {%- endfor -%}
    {{ return('array[' ~ key | join(', ') ~ ']' if key else none) }}
{%- endmacro -%}


{%- macro seed_lines(csv) -%}
    {%- set lines = [] -%}
    {%- for row in csv.rows -%}
        {%- if row | reject('none') | join | trim -%}
            {%- do lines.append((loop.index + 1, row)) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(lines) }}
{%- endmacro -%}


{%- macro seed_lines_sql(csv) -%}
    select
        line
        {%- for name, type in seed_column_types(csv).items() %},
        {{ adapter.quote(name) }}::{{ type }} as {{ adapter.quote(name) }}
        {%- endfor %}
    from (
        values
        {%- for line, row in seed_lines(csv) %}
        ({{ line }}
        {%- for cell in row -%}
            {#- Blanks around a cell are not to be seen, neither in the file nor in a report. -#}
            {%- set text = '' if cell is none else cell | string | trim -%}
            , {{ "'" ~ text | replace("'", "''") ~ "'" if text else 'null' }}
        {%- endfor -%}){{ ',' if not loop.last }}
        {%- endfor %}
    ) as csv_lines (line {%- for name in csv.column_names %}, {{ adapter.quote(name) }} {%- endfor %})
{%- endmacro -%}


{%- macro seed_content_sql(csv) -%}
    {%- set key = seed_key_sql(csv) -%}
    select distinct{% if key %} on ({{ key }}){% endif %}
        {{ get_quoted_csv(csv.column_names) }}
    from ({{ seed_lines_sql(csv) }}) as lines
    {%- if key %}
    order by {{ key }}, line
    {%- endif %}
{%- endmacro -%}


{%- macro sync_seed_rows(relation, csv) -%}
    {%- set columns = get_quoted_csv(csv.column_names) -%}
    {%- set content -%}
        csv as (
            {{ seed_content_sql(csv) }}
        )
    {%- endset -%}
    {%- set same_row -%}
        row({%- for name in csv.column_names %}csv.{{ adapter.quote(name) }}{{ ', ' if not loop.last }}{% endfor -%})
        is not distinct from
        row({%- for name in csv.column_names %}stored.{{ adapter.quote(name) }}{{ ', ' if not loop.last }}{% endfor -%})
    {%- endset -%}

    {%- call statement('compare_seed', fetch_result=True) -%}
        with {{ content }},

        stored as (
            select {{ columns }} from {{ relation }}
        )

        select exists ((table csv except table stored) union all (table stored except table csv)) as differs
    {%- endcall -%}
    {%- if not load_result('compare_seed').data[0][0] -%}
        {{ return(0) }}
    {%- endif -%}

    {#- Another build may be at it: the second one waits here, and then finds less or nothing to do. -#}
    {%- call statement('lock_seed') -%}
        lock table {{ relation }} in share row exclusive mode
    {%- endcall -%}
    {%- call statement('delete_from_seed') -%}
        with {{ content }}

        delete from {{ relation }} as stored
        where not exists (select from csv where {{ same_row }})
    {%- endcall -%}
    {%- call statement('insert_into_seed') -%}
        with {{ content }}

        insert into {{ relation }} ({{ columns }})
        select {{ columns }} from csv
        where not exists (select from {{ relation }} as stored where {{ same_row }})
    {%- endcall -%}
    {{ return(
        load_result('delete_from_seed').response.rows_affected
        + load_result('insert_into_seed').response.rows_affected
    ) }}
{%- endmacro -%}


{%- macro sync_seed_columns(relation, csv) -%}
    {%- set own_views = [] -%}
    {%- for node in graph.nodes.values() if node.config.materialized == 'stable_view' -%}
        {%- do own_views.append("to_regclass('" ~ node.schema ~ '.' ~ node.alias ~ "')") -%}
    {%- endfor -%}
    {%- call statement('compare_seed_columns', fetch_result=True) -%}
        with declared (column_name, data_type) as (
            values
            {%- for name, type in seed_column_types(csv).items() %}
            ({{ dbt.string_literal(dbt.escape_single_quotes(name)) }}, '{{ type }}'){{ ',' if not loop.last }}
            {%- endfor %}
        ),

        wanted as (
            select
                column_name,
                data_type::regtype::text
                || coalesce(substring(replace(data_type, ' ', '') from '[(].*[)]'), '') as data_type
            from declared
        ),

        stored as (
            select
                attname as column_name,
                format_type(atttypid, atttypmod) as data_type,
                views.readers,
                views.all_are_own
            from pg_attribute
            cross join lateral (
                select
                    string_agg(distinct rules.ev_class::regclass::text, ', ') as readers,
                    bool_and(rules.ev_class = any (array_remove(array[{{ own_views | join(', ') }}]::oid[], null))) as all_are_own
                from pg_depend as depend
                inner join pg_rewrite as rules on rules.oid = depend.objid
                where depend.classid = 'pg_rewrite'::regclass
                    and depend.refclassid = 'pg_class'::regclass
                    and depend.refobjid = attrelid
                    and depend.refobjsubid = attnum
            ) as views
            where attrelid = '{{ relation }}'::regclass and attnum > 0 and not attisdropped
        )

        select
            column_name,
            wanted.data_type as wanted_type,
            stored.data_type as stored_type,
            stored.readers,
            stored.all_are_own
        from wanted
        full join stored using (column_name)
        where wanted.data_type is distinct from stored.data_type
    {%- endcall -%}
    {%- for column, wanted_type, stored_type, readers, all_are_own in load_result('compare_seed_columns').data -%}
        {%- if readers and (wanted_type or not all_are_own) -%}
            {{ exceptions.raise_compiler_error(
                model.original_file_path ~ ": column '" ~ column ~ "' "
                ~ ('should become ' ~ wanted_type if wanted_type else 'is no longer in the file')
                ~ ', but ' ~ readers ~ ' reads it from ' ~ relation.render() ~ ' as ' ~ stored_type
                ~ '. Change what reads it first, or put the column back.'
            ) }}
        {%- elif not readers -%}
            {#- Dropped and added instead of retyped: that rewrites no table, so older snapshots still see its rows. What
                only our own views read stays: they are made anew later in this build, and the next one drops it. -#}
            {%- set name = adapter.quote(column) -%}
            {%- set actions = ['drop column ' ~ name] if stored_type else [] -%}
            {%- if wanted_type -%} {%- do actions.append('add column ' ~ name ~ ' ' ~ wanted_type) -%} {%- endif -%}
            {%- do run_query(without_queueing('alter table ' ~ relation ~ ' ' ~ actions | join(', '))) -%}
        {%- endif -%}
    {%- endfor -%}
{%- endmacro -%}
