{#- Hours after a fill, more than the tank had room for. -#}
{% macro anomaly_refill_too_soon() -%}
    {%- set most = 'usual_max_litres * refill_too_soon_max_times_usual' -%}
    {%- set measures = {
        'litres_in_tank':
            'previous_fill_litres + litres - coalesce(km_since_previous_fill / nullif(usual_km_per_litre, 0), 0)',
    } -%}
    {%- set found -%}
        hours_since_previous_fill <= refill_too_soon_max_hours and not is_duplicate
        and litres_samples >= refill_too_soon_min_samples
        and km_per_litre_samples >= refill_too_soon_min_samples
        and km_since_previous_fill >= 0
        -- One fill that is too large by itself is the other rule's finding.
        and greatest(litres, previous_fill_litres) <= {{ most }}
        and (
            (fills_up and litres_in_tank > {{ most }})
            -- The fill before was smaller, and filled the tank all the same.
            or (
                interval_litres > litres
                and unexplained_litres > usual_max_litres * (refill_too_soon_max_times_usual - 1)
            )
        )
    {%- endset -%}
    {%- set observed -%}
        {{ figure('litres', 1) }} || ' l ' || {{ figure('hours_since_previous_fill', 1) }} || ' hours after '
        || {{ figure('previous_fill_litres', 1) }} || ' l'
    {%- endset -%}
    {%- set expected -%}
        case
            when litres_in_tank > {{ most }}
                then 'together at most ' || {{ figure(most, 1) }} || ' l more than was burnt in between'
            else
                'at most ' || {{ figure('litres - unexplained_litres', 1) }}
                || ' l, for which there was room in the tank'
        end
    {%- endset -%}
    {%- set kes_at_risk -%}
        round(
            least(litres, greatest(litres_in_tank - usual_max_litres, unexplained_litres)) * paid_price, 2
        )
    {%- endset -%}
    {%- set explanation -%}
        concat(
            {{ figure('litres', 1) }}, ' l only ', {{ figure('hours_since_previous_fill', 1) }},
            ' hours and ', {{ figure('km_since_previous_fill') }}, ' km after ',
            {{ figure('previous_fill_litres', 1) }}, ' l; ',
            case
                when litres_in_tank > {{ most }}
                    then 'the usual maximum of one fill is ' || {{ figure('usual_max_litres', 1) }}
                else 'the tank had no room for ' || {{ figure('unexplained_litres', 1) }}
            end,
            ' l.'
        )
    {%- endset -%}
    {{ return({
        'thresholds': {'max_hours': [0, 168], 'max_times_usual': [1, 10], 'min_samples': [1, 30]},
        'measures': measures,
        'found': found,
        'observed': observed,
        'expected': expected,
        'kes_at_risk': kes_at_risk,
        'explanation': explanation,
    }) }}
{%- endmacro %}
