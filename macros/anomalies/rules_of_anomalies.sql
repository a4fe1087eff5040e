{#-
    The rules: every macro of this project whose name is `anomaly_` and the name of a rule, called. A rule gives a
    dictionary of SQL expressions over a row `fill` of v_fuel_anomalies, with the columns of its CTE measured_fills:

    thresholds      its figures in seeds/anomaly_thresholds.csv, each with [lowest, highest]; the view has each as
                    a column <rule>_<threshold>
    optional        those of them that the CSV may leave out
    measures        columns that the rule works out, for its own words and for other rules
    after           rules whose findings (has_<rule>) it looks at
    found           whether there is something to look into; null is no
    looked_up       what is looked up for a fill that is found, as an item of a `from` clause, and
    confirmed       whether the rule still speaks, given that
    key             the column that tells its findings apart, `id` if it says nothing
    observed, expected, kes_at_risk, explanation
                    its words
-#}
{% macro rules_of_anomalies() -%}
    {%- set rules = {} -%}
    {%- set macros = context[model.package_name] -%}
    {%- for name in macros.keys() | sort if name.startswith('anomaly_') -%}
        {%- do rules.update({name.removeprefix('anomaly_'): macros[name]()}) -%}
    {%- endfor -%}
    {{ return(rules) }}
{%- endmacro %}


{#- Every rule's thresholds, as pairs of rule and threshold. -#}
{% macro thresholds_of(rules) -%}
    {%- set pairs = [] -%}
    {%- for name, rule in rules.items() -%}
        {%- for threshold in rule.get('thresholds', {}) -%}
            {%- do pairs.append((name, threshold)) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(pairs) }}
{%- endmacro %}


{#- The names of the rules in groups: each rule is in a later one than those it looks at. -#}
{% macro rules_in_order(rules) -%}
    {%- set groups = [] -%}
    {%- set placed = [] -%}
    {%- for _ in rules if placed | length < rules | length -%}
        {%- set group = [] -%}
        {%- for name, rule in rules.items() if name not in placed and not rule.get('after', []) | reject('in', placed) | list -%}
            {%- do group.append(name) -%}
        {%- endfor -%}
        {%- if not group -%}
            {{ exceptions.raise_compiler_error(
                'These rules wait for one another, or for one that does not exist: '
                ~ rules | reject('in', placed) | join(', ')
            ) }}
        {%- endif -%}
        {%- do placed.extend(group) -%}
        {%- do groups.append(group) -%}
    {%- endfor -%}
    {{ return(groups) }}
{%- endmacro %}
