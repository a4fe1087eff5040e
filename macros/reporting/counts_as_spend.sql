{#-
    All do but a duplicate that somebody confirmed, as long as it is one: if the fill that it repeats is deleted, it is
    the only report of that fill.
-#}
{% macro counts_as_spend(id, exclusion_reason=none) -%}
    {%- set repeats = "in ('duplicate', 'corrected')" -%}
    {%- set is_confirmed -%}
        exists (
            select 1 from {{ ref('reviewed_findings') }} as reviewed
            where reviewed.finding_key = {{ finding_key('duplicate_submission', id) }} and reviewed.verdict = 'confirmed'
        )
    {%- endset -%}
    case
        {%- if exclusion_reason %}
        when {{ exclusion_reason }} {{ repeats }} then not {{ is_confirmed }}
        {%- else %}
        when {{ is_confirmed }}
            {#- No `exists`: PostgreSQL might look all repeated fills up to answer for these few. #}
            then (
                select confirmed.exclusion_reason {{ repeats }} from {{ ref('fill_intervals') }} as confirmed
                where confirmed.id = {{ id }}
            ) is not true
        {%- endif %}
        else true
    end
{%- endmacro %}


{#- A query for the rows of fuel.fill_intervals that are confirmed duplicates, from the list of verdicts on. -#}
{% macro confirmed_duplicates() -%}
    {%- set prefix = 'duplicate_submission:' -%}
    select fills.*
    from {{ ref('reviewed_findings') }} as reviewed
    -- `limit all`: a probe for each verdict, not a join with all fills.
    cross join
        lateral (
            select * from {{ ref('fill_intervals') }} as of_verdict
            where of_verdict.id = substr(reviewed.finding_key, {{ prefix | length + 1 }}) collate "C"
            limit all
        ) as fills
    where
        reviewed.finding_key like '{{ prefix }}%'
        and reviewed.verdict = 'confirmed'
        and fills.exclusion_reason in ('duplicate', 'corrected')
{%- endmacro %}
