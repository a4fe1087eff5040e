{#-
    Overrides of dbt's `function` materialization for PostgreSQL. `functions/` stays dbt's own feature.

    * PARALLEL SAFE, which dbt leaves out: one unsafe function turns off parallel query for the whole statement.
    * Nothing is done while the function in the database is what the node would create, so builds do not touch
      functions that queries are using.
    * `create or replace` cannot rename an argument or change the return type. Such a function (left by an older
      design) is dropped and created in one transaction if nothing depends on it. If something does, the build
      says what and leaves everything as it was: no cascade.
-#}
{% macro postgres__function_execute_build_sql(build_sql, existing_relation, target_relation) -%}
    {%- set present = present_function(target_relation) -%}
    {%- if present.unchanged -%}
        {%- do store_raw_result(name='main', message='UNCHANGED', code='UNCHANGED', rows_affected=-1) -%}
    {%- else -%}
        {%- if present.other_signature and present.dependents -%}
            {%- do exceptions.raise_compiler_error(
                "Function " ~ present.signature ~ " is to become " ~ present.wanted_signature
                ~ ", which PostgreSQL cannot do in place, and these depend on it: " ~ present.dependents
                ~ ". Nothing was changed. Drop them or let them keep the old one (alter function "
                ~ present.identity ~ " rename to " ~ target_relation.identifier ~ "_legacy), then run dbt again."
            ) -%}
        {%- endif -%}
        {%- call statement('main') -%}
            {% if present.other_signature -%} drop function {{ present.identity }}; {%- endif %}
            {{ build_sql }}
        {%- endcall -%}
        {%- do adapter.commit() -%}
    {%- endif -%}
{%- endmacro %}


{#-
    What the database holds under the name and argument types of the current function node: whether it is
    `unchanged`, whether it has an `other_signature`, and then its `signature`, the `wanted_signature`, its
    `identity` (name and argument types) and its `dependents`, as text.
-#}
{% macro present_function(target_relation) -%}
    {%- set types = model.arguments | map(attribute='data_type') | list -%}
    {%- set query -%}
        with wanted as (

            select
                concat_ws(', '{% for type in types %}, format_type('{{ type }}'::regtype, null){% endfor %}) as argument_types,
                concat_ws(', '{% for argument in model.arguments %}, concat('{{ argument.name }} ', format_type('{{ argument.data_type }}'::regtype, null)){% endfor %}) as arguments,
                format_type('{{ model.returns.data_type }}'::regtype, null) as returns

        ),

        present as (

            select
                pg_proc.oid,
                pg_get_function_arguments(pg_proc.oid) as arguments,
                pg_get_function_result(pg_proc.oid) as returns,
                pg_proc.oid::regprocedure::text as identity,
                pg_proc.prosrc = {{ function_body() }}
                and pg_proc.provolatile = '{{ {'deterministic': 'i', 'stable': 's'}.get(model.config.get('volatility'), 'v') }}'
                and pg_proc.proparallel = 's'
                and not (pg_proc.prosecdef or pg_proc.proisstrict or pg_proc.proconfig is not null) as is_same_code,
                wanted.arguments as wanted_arguments,
                wanted.returns as wanted_returns
            from pg_catalog.pg_proc
            inner join pg_catalog.pg_namespace on pg_proc.pronamespace = pg_namespace.oid
            inner join wanted on oidvectortypes(pg_proc.proargtypes) = wanted.argument_types
            where
                pg_namespace.nspname = '{{ target_relation.schema }}'
                and pg_proc.proname = '{{ target_relation.identifier }}'

        )

        select
            identity,
            (arguments, returns) is distinct from (wanted_arguments, wanted_returns) as other_signature,
            is_same_code and (arguments, returns) is not distinct from (wanted_arguments, wanted_returns) as unchanged,
            format('{{ target_relation.schema }}.{{ target_relation.identifier }}(%s) returns %s', arguments, returns) as signature,
            format('(%s) returns %s', wanted_arguments, wanted_returns) as wanted_signature,
            (
                select string_agg(distinct regexp_replace(pg_describe_object(classid, objid, objsubid), '^rule _RETURN on ', ''), ', ')
                from pg_catalog.pg_depend
                where refclassid = 'pg_catalog.pg_proc'::regclass and refobjid = present.oid
            ) as dependents
        from present
    {%- endset -%}
    {%- set rows = run_query(query).rows -%}
    {{ return(rows[0] if rows else {'unchanged': false, 'other_signature': false}) }}
{%- endmacro %}


{#-
    The body as a literal; `$$` could end early, since regular expressions hold `$`. PostgreSQL reads it anew at each
    call, so it names no database.
-#}
{% macro function_body() -%}
    $function$
{{ without_database(model.compiled_code) }}
$function$
{%- endmacro %}


{% macro postgres__scalar_function_body_sql() -%}
    {{ function_body() }} language sql
{%- endmacro %}


{% macro postgres__scalar_function_volatility_sql() -%}
    {{ default__scalar_function_volatility_sql() }} parallel safe
{%- endmacro %}
