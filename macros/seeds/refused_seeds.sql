{#- The wrong files of a run's `results`, each in one line, as `seeds/prices.csv line 3: price is empty`. -#}
{% macro refused_seeds(results) -%}
    {%- set refusals = [] -%}
    {%- for result in results if result.adapter_response and result.adapter_response.get('code') == 'REFUSED' -%}
        {%- do refusals.append(result.message | replace('REFUSED ', '', 1)) -%}
    {%- endfor -%}
    {{ return(refusals) }}
{%- endmacro %}


{#- On-run-end, as the last hook: the run ends with 1 if a seed was refused. -#}
{% macro fail_on_refused_seeds(results) -%}
    {%- set refusals = refused_seeds(results) -%}
    {%- if refusals -%}
        {%- set message = 'not loaded, so the list stays as it last was: ' ~ refusals | join('; ') -%}
        do {{ sql_literal('begin raise exception using message = ' ~ sql_literal(message) ~ '; end') }}
    {%- endif -%}
{%- endmacro %}
