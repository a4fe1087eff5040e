{#- The steps of v_fuel_anomalies that follow from the rules; `rules` is what rules_of_anomalies gives. -#}

{#- Columns of one row: <rule>_is_on of every rule. One that is off or not in the CSV is not true: it never speaks. -#}
{% macro switch_columns(rules) -%}
    {%- for name in rules -%}
        bool_or(enabled) filter (where rule = '{{ name }}') as {{ name }}_is_on{{ ',\n        ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}


{#- Columns of one row: <rule>_<threshold> of every threshold. -#}
{% macro threshold_columns(rules) -%}
    {%- for name, threshold in thresholds_of(rules) -%}
        max(value) filter (where rule = '{{ name }}' and threshold = '{{ threshold }}')
        as {{ name }}_{{ threshold }}{{ ',\n        ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}


{#-
    A join that adds `columns`, name to SQL expression, under the name `relation`. PostgreSQL works each out once for a
    row, and not again in every place that names it, as it would with columns of a plain sub-select.
-#}
{% macro computed_once(relation, columns) -%}
    left join lateral (
        select
            {%- for name, value in columns.items() %}
            {{ value }} as {{ name }}{{ ',' if not loop.last }}
            {%- endfor %}
    ) as {{ relation }} on true
{%- endmacro %}


{#-
    CTEs, the last one found_fills: the rows of the CTE `fills` of which a rule has found something, with has_<rule> for
    every rule.
-#}
{% macro found_fills_ctes(rules, fills) -%}
    {%- for group in rules_in_order(rules) -%}
    {%- set columns = {} -%}
    {%- for name in group -%}
        {%- do columns.update({'has_' ~ name: 'coalesce((' ~ rules[name].found ~ ') and ' ~ name ~ '_is_on, false)'}) -%}
    {%- endfor -%}
judged_{{ loop.index }} as (

    select
        fill.*,
        judged.*
    from {{ fills if loop.first else 'judged_' ~ loop.index0 }} as fill
    {{ computed_once('judged', columns) }}

),

{% endfor -%}
found_fills as (

    -- Only what a rule has found is put into words: to try every rule's sentence on every fill takes longer.
    -- PostgreSQL takes `or` of many for nearly all fills, and `= 1` for few, as they are: the query then looks dear
    -- enough to be compiled (jit) only when it is.
    select * from judged_{{ rules_in_order(rules) | length }}
    where case when has_{{ rules | join(' or has_') }} then 1 end = 1
    {{ as_one_step() }}

)
{%- endmacro %}


{#-
    An `order by` that sorts nothing, at the end of a step. It keeps PostgreSQL from copying the expressions of the step
    into every place that names its columns, which would take longer to plan than to run; conditions on plate and time
    still reach the index.
-#}
{% macro as_one_step() -%}
    order by null::integer
{%- endmacro %}


{#- A query for a lateral join with found_fills as fill: a row for each rule that speaks for it, in words. -#}
{% macro findings_in_words(rules) -%}
    {%- for name, rule in rules.items() %}
        select
            '{{ name }}' as rule,
            {{ finding_key(name, 'fill.' ~ rule.get('key', 'id')) }} as finding_key,
            {{ rule.observed }} as observed,
            {{ rule.expected }} as expected,
            abs({{ rule.kes_at_risk }}) as kes_at_risk,
            {{ rule.explanation }} as explanation
        {{ 'from ' ~ rule.looked_up if rule.looked_up }}
        where has_{{ name }} {{ 'and (' ~ rule.confirmed ~ ')' if rule.confirmed }}
        {{ 'union all' if not loop.last }}
    {%- endfor %}
{%- endmacro %}
