{#- Problems of seeds/anomaly_rules.csv beyond its form: a rule that does not exist. -#}
{% macro problems_of_anomaly_rules(csv) -%}
    {%- set rules = rules_of_anomalies() -%}
    {%- set problems = [] -%}
    {%- for line, row in seed_lines(csv) if row['rule'] and row['rule'] | trim not in rules -%}
        {%- do problems.append(
            'line ' ~ line ~ ": rule '" ~ row['rule'] ~ "' must be one of " ~ rules | join(', ')
        ) -%}
    {%- endfor -%}
    {{ return(problems) }}
{%- endmacro %}


{#- Problems of seeds/anomaly_thresholds.csv beyond its form: each rule needs its own figures, in their ranges. -#}
{% macro problems_of_anomaly_thresholds(csv) -%}
    {%- set rules = rules_of_anomalies() -%}
    {%- set problems = [] -%}
    {%- set listed = [] -%}
    {%- for line, row in seed_lines(csv) if row['rule'] and row['threshold'] -%}
        {%- set name, threshold, value = row['rule'] | trim, row['threshold'] | trim, row['value'] -%}
        {%- set rule = rules.get(name, {}) -%}
        {%- set range = rule.get('thresholds', {}).get(threshold) -%}
        {%- set is_empty = value is none or not value | string | trim -%}
        {%- do listed.append((name, threshold)) -%}
        {%- if name not in rules -%}
            {%- do problems.append('line ' ~ line ~ ": rule '" ~ name ~ "' must be one of " ~ rules | join(', ')) -%}
        {%- elif not range -%}
            {%- do problems.append(
                'line ' ~ line ~ ": threshold '" ~ threshold ~ "' is none of " ~ name ~ "'s: "
                ~ rule.get('thresholds', {}) | join(', ')
            ) -%}
        {%- elif is_empty and threshold not in rule.get('optional', []) -%}
            {%- do problems.append('line ' ~ line ~ ': value is empty, and ' ~ name ~ ' needs it') -%}
        {%- elif not is_empty and not range[0] <= value | float <= range[1] -%}
            {%- do problems.append(
                'line ' ~ line ~ ": value '" ~ value ~ "' must be from " ~ range | join(' to ')
                ~ ' for ' ~ threshold ~ ' of ' ~ name
            ) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- for name, threshold in thresholds_of(rules)
        if (name, threshold) not in listed and threshold not in rules[name].get('optional', []) -%}
        {%- do problems.append(
            'a line is missing: ' ~ name ~ ' needs ' ~ threshold ~ ', from '
            ~ rules[name].thresholds[threshold] | join(' to ')
        ) -%}
    {%- endfor -%}
    {{ return(problems) }}
{%- endmacro %}
