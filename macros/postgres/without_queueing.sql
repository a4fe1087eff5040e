{#-
    Run DDL that needs a moment alone with a relation, without making readers wait behind it: a waiting exclusive lock
    blocks everybody who comes after it, so it gives up after 100 ms, lets them pass, and tries again for two minutes.
-#}
{% macro without_queueing(statement, may_be_used=false) -%}
{{ settings_of_long_statements() }}
do $dbt_alone$
begin
    {{ without_queueing_block('execute ' ~ sql_literal(statement) ~ ';', may_be_used) | indent(4) }}
end
$dbt_alone$
{%- endmacro %}


{#- The PL/pgSQL of `without_queueing`, for use inside a block of one's own. -#}
{% macro without_queueing_block(plpgsql, may_be_used=false) -%}
for attempt in 1..300 loop
    begin
        set local lock_timeout = '100ms';
        {{ plpgsql }}
        set local lock_timeout to default;
        exit;
    exception
        {%- if may_be_used %}
        when dependent_objects_still_exist then exit;
        {%- endif %}
        when lock_not_available then
            if attempt = 300 then
                raise lock_not_available using
                    message = 'a query that has been running for two minutes holds what is to be changed',
                    hint = 'Nothing was changed. End that query (see pg_stat_activity), or wait, then run dbt again.';
            end if;
    end;
    perform pg_catalog.pg_sleep(0.3);
end loop;
{%- endmacro %}
