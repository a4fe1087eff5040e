{#- dbt says nothing of parallel query, so PostgreSQL takes each function for unsafe and runs its whole query on one core. -#}
{% macro postgres__scalar_function_volatility_sql() -%}
    {{ default__scalar_function_volatility_sql() }} {{ 'parallel safe' if is_ours() }}
{%- endmacro %}


{#-
    Without the name of the database, for PostgreSQL reads the body anew at each call: a copy of the database has
    another one. The quotes have a name, for a regular expression may hold `$$`.
-#}
{% macro postgres__scalar_function_body_sql() -%}
    {%- if is_ours() -%}
        $function$
        {{ without_database(model.compiled_code) }}
        $function$ language sql
    {%- else -%}
        {{ default__scalar_function_body_sql() }}
    {%- endif -%}
{%- endmacro %}


{#- Two builds that replace a function at once would fail each other: `tuple concurrently updated`. -#}
{% macro postgres__function_execute_build_sql(build_sql, existing_relation, target_relation) -%}
    {%- if is_ours() -%}
        {%- do run_query(one_build_at_a_time()) -%}
    {%- endif -%}
    {{ default__function_execute_build_sql(build_sql, existing_relation, target_relation) }}
{%- endmacro %}
