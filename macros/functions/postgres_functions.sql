{#- dbt leaves functions PARALLEL UNSAFE, which turns off parallel query wherever one is called. All of ours only
    read. -#}
{% macro postgres__scalar_function_volatility_sql() %}
    {{ default__scalar_function_volatility_sql() }}
    parallel safe
{% endmacro %}
