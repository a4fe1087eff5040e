{#-
    On-run-start hook: functions whose arguments have changed since an older version are dropped where nothing depends on
    them, for dbt creates the new one beside them. Never with cascade: what somebody built on one keeps it.
-#}
{% macro drop_former_functions() -%}
    {%- if execute and flags.WHICH in ('build', 'run') -%}
        {%- set query -%}
            select former.oid::regprocedure::text as signature
            from pg_catalog.pg_proc as former
            inner join pg_catalog.pg_namespace as schemas on former.pronamespace = schemas.oid
            where
                schemas.nspname = {{ sql_literal(target.schema) }}
                and (former.proname, pg_catalog.oidvectortypes(former.proargtypes)) in (('parse_number', 'text'))
                and pg_catalog.pg_has_role(former.proowner, 'usage')
                and not exists (
                    select 1 from pg_catalog.pg_depend
                    where refclassid = 'pg_catalog.pg_proc'::regclass and refobjid = former.oid
                )
        {%- endset -%}
        {%- for row in run_query(query) %}
            drop function {{ row['signature'] }};
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}
