{#-
    JIT is off: compiling these long expressions takes seconds, even for one row. Sorts and hashes of a first build
    should not go through files, and a hash join that stays in memory keeps the rows in their order, the order of time.
    A limit that the database sets for others' statements (transaction_timeout came with 17) would cut the first build
    of a long history short, hour by hour.
-#}
{% macro settings_of_long_statements() -%}
    set local jit = off;
    set local statement_timeout = 0;
    set local lock_timeout = 0;
    select set_config(name, '0', true) from pg_catalog.pg_settings where name = 'transaction_timeout';
    select set_config('work_mem', greatest(pg_size_bytes(current_setting('work_mem')), {{ 64 * 1024 * 1024 }}) || 'B', true);
{% endmacro %}
