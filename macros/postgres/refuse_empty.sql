{#-
    On-run-start: with `--empty` every ref is a query without rows. Views of such would take the place of the reports, and
    the tracker's devices would be gone.
-#}
{% macro refuse_empty() -%}
    {%- if execute and flags.EMPTY -%}
        {%- do exceptions.raise_compiler_error(
            "--empty is refused: it would empty the reports. To check the project without a build: dbt compile."
        ) -%}
    {%- endif -%}
{%- endmacro %}
