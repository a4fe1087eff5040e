{#- More km than a vehicle can drive in the time, or a reading that does not agree with those around it. -#}
{% macro anomaly_implausible_distance() -%}
    {%- set most_km = figure('implausible_distance_max_km_per_day') -%}
    {%- set found -%}
        (not is_duplicate and km_per_day > implausible_distance_max_km_per_day)
        -- Not for its distance, which is the threshold's to judge.
        or (exclusion_reason = 'distance_implausible' and km_per_day <= {{ economy_setting('max_km_per_day') }})
    {%- endset -%}
    {%- set explanation -%}
        concat(
            'The odometer reads ', {{ figure('odometer_km') }}, ' km, ', {{ figure('distance_km') }},
            ' km more than the last good reading ', {{ figure('days_since_previous', 1) }}, ' days before',
            case
                -- Less than a day counts as one.
                when km_per_day > implausible_distance_max_km_per_day and days_since_previous < 1
                    then ': more than ' || {{ most_km }} || ' km within a day.'
                when km_per_day > implausible_distance_max_km_per_day
                    then
                        -- Never the limit itself, which it exceeds.
                        ': '
                        || {{ figure('greatest(km_per_day, trunc(implausible_distance_max_km_per_day) + 1)') }}
                        || ' km per day.'
                else ', and does not agree with readings around it.'
            end
        )
    {%- endset -%}
    {{ return({
        'thresholds': {'max_km_per_day': [1, 10000]},
        'measures': {'km_per_day': 'distance_km / greatest(days_since_previous, 1)'},
        'found': found,
        'observed': figure('distance_km') ~ " || ' km in ' || " ~ figure('days_since_previous', 1) ~ " || ' days'",
        'expected': "'at most ' || " ~ most_km ~ " || ' km per day, and in agreement with the readings around it'",
        'kes_at_risk': 'amount_kes',
        'explanation': explanation,
    }) }}
{%- endmacro %}
