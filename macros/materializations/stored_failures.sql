{#-
    Overrides dbt's own, which drops the table of a test's failures with all that is built on it and makes it anew at
    every build, and waits for its readers without end. Here the table stays, with its grants, and gets other rows; only
    if the test's columns have changed is it dropped: without cascade, and without letting readers queue.
-#}
{% materialization test, adapter='postgres' %}
    {%- set table = adapter.get_relation(database, schema, model['alias']) if should_store_failures() -%}
    {%- if not table or not table.is_table or config.get('store_failures_as') == 'view' -%}
        {{ return(materialization_test_default()) }}
    {%- endif -%}

    {%- set candidate = make_temp_relation(table, '__dbt_new').incorporate(type='view') -%}
    {%- set failing_rows = get_limit_subquery_sql(sql, config.get('limit')) -%}
    {%- call statement('candidate') -%}
        create temporary view {{ candidate }} as {{ failing_rows }}
    {%- endcall -%}
    {%- set query -%}
        select count(distinct columns.described) = 1
        from (
            select array_agg((attname, atttypid, atttypmod, attcollation)::text order by attnum) as described
            from pg_catalog.pg_attribute
            where attrelid in ('{{ table }}'::regclass, '{{ candidate }}'::regclass) and attnum > 0 and not attisdropped
            group by attrelid
        ) as columns
    {%- endset -%}
    {%- set fits = run_query(query).columns[0].values()[0] -%}
    {%- do run_query('drop view ' ~ candidate) -%}
    {%- if not fits -%}
        {%- do run_query(without_queueing('drop table ' ~ table)) -%}
        {{ return(materialization_test_default()) }}
    {%- endif -%}

    {%- call statement('rows') -%}
        {{ settings_of_long_statements() }}
        lock table {{ table }} in share row exclusive mode;
        delete from {{ table }};
        insert into {{ table }} {{ failing_rows }}
    {%- endcall -%}
    {{ adapter.commit() }}
    {%- call statement('main', fetch_result=True) -%}
        {{ get_test_sql(
            'select * from ' ~ table, config.get('fail_calc'), config.get('warn_if'), config.get('error_if'), limit=none
        ) }}
    {%- endcall -%}

    {{ return({'relations': [table]}) }}
{% endmaterialization %}
