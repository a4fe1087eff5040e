{#-
    Overrides dbt's own, which can only harm here: with --full-refresh it drops each table, and with it every view built
    on it, to put a view on that very table in its place.
-#}
{% materialization clone, adapter='postgres' %}
    {%- do exceptions.raise_compiler_error("dbt clone is refused: it would drop the tables that it is to copy.") -%}
{% endmaterialization %}
