{#- The same fill, reported again, or corrected by another report. -#}
{% macro anomaly_duplicate_submission() -%}
    {%- set said = {} -%}
    {%- for side, litres, kes, km in [
        ('here', 'litres', 'amount_kes', 'odometer_km'), ('there', 'corrected_to', 'corrected_to', 'corrected_to'),
    ] -%}
        {%- set words -%}
            case corrected_field
                when 'litres' then {{ figure(litres, 1, 2) }} || ' l'
                when 'amount_kes' then 'KES ' || {{ figure(kes, 2) }}
                when 'odometer_km' then {{ figure(km) }} || ' km'
            end
        {%- endset -%}
        {%- do said.update({side: words}) -%}
    {%- endfor -%}
    {%- set same_figures -%}
        concat_ws(' for ', {{ figure('litres', 1) }} || ' l', 'KES ' || {{ figure('amount_kes') }})
    {%- endset -%}
    {%- set explanation -%}
        case
            when corrected_field is null
                then concat('The same ', {{ same_figures }}, ' are also reported as fill ', duplicate_of_id, '.')
            else
                concat(
                    'Fill ', duplicate_of_id, ' reports the same', ' with ' || {{ said.there }},
                    coalesce(' in place of ' || {{ said.here }}, ', which this report leaves out'),
                    ', and counts as the right one; the KES are in the spend twice.'
                )
        end
    {%- endset -%}
    {{ return({
        'found': 'is_duplicate',
        'observed': 'coalesce(' ~ said.here ~ ", 'reported again')",
        'expected': 'coalesce(' ~ said.there ~ ", 'one report')",
        'kes_at_risk': 'amount_kes',
        'explanation': explanation,
    }) }}
{%- endmacro %}
