{{ config(materialized='stable_view', grants={'select': var('reader_roles')}) }}

{%- set lists = shown_alias_lists() %}

with unmapped_spellings as (

    {{ all_unmapped_spellings() }}

),

aliases as materialized (

    {% for field in lists -%}
        select
            '{{ field }}' as field,
            {{ alias_key('alias') }} as alias_key,
            min({{ field }}) as canonical
        from {{ ref(field ~ '_aliases') }}
        group by alias_key
        {{ 'union all' if not loop.last }}
    {% endfor %}
),

-- Per spelling a probe of the index on the text as typed: the cost follows the fills concerned, not history.
spellings_with_fills as (

    {% for field in lists -%}
        select
            unmapped_spellings.field,
            unmapped_spellings.spelling,
            unmapped_spellings.spelling_key,
            count(*) as occurrences,
            min(fills.filled_at) as first_seen,
            max(fills.filled_at) as last_seen,
            coalesce(sum(fills.amount_kes), 0) as amount_kes
        from unmapped_spellings
        cross join
            lateral (
                select * from {{ ref('records') }} as records
                where records.{{ field }}_raw = unmapped_spellings.spelling
                limit all  -- a probe for each spelling, not one join
            ) as fills
        where
            unmapped_spellings.field = '{{ field }}'
            and fills.deleted_at is null
            and fills.absent_since is null
        group by unmapped_spellings.field, unmapped_spellings.spelling, unmapped_spellings.spelling_key
        union all
    {% endfor -%}
    -- No list maps a plate, and none is ever guessed.
    select
        'plate' as field,
        car as spelling,
        {{ alias_key('car') }} as spelling_key,
        count(*) as occurrences,
        min(filled_at) as first_seen,
        max(filled_at) as last_seen,
        coalesce(sum(amount_kes), 0) as amount_kes
    from {{ ref('records') }}
    where plate is null and car is not null and deleted_at is null and absent_since is null
    group by car

),

-- Spellings that differ only in case, punctuation or blanks need one line in the CSV.
spellings_by_key as (

    select
        field,
        spelling_key,
        sum(occurrences)::bigint as occurrences,
        min(first_seen) as first_seen,
        max(last_seen) as last_seen,
        sum(amount_kes) as amount_kes,
        (array_agg(spelling order by occurrences desc, spelling asc))[1] as spelling  -- noqa: LT14
    from spellings_with_fills
    group by {{ line_of_spelling() }}

),

-- A suggestion is worked out for a thousand spellings at most. Nobody looks at more, and tens of thousands
-- show that another field's texts stand in this one.
candidates as materialized (

    select
        field,
        spelling_key
    from spellings_by_key
    where field <> 'plate' and spelling_key is not null
    order by amount_kes desc, occurrences desc, field asc, spelling_key asc
    limit 1000

),

likeliest as (

    -- `sales dept` and `sales` have 0.55, `gear oil` and `gas oil` 0.42.
    select distinct on (field, spelling_key) *
    from ({{ similarities('candidates', 'aliases') }}) as similarities
    where similarity >= 0.5
    order by field asc, spelling_key asc, similarity desc, canonical asc

),

with_suggestions as (

    select
        spellings_by_key.*,
        likeliest.canonical as suggested_value,
        likeliest.similarity
    from spellings_by_key
    left join likeliest
        on spellings_by_key.field = likeliest.field and spellings_by_key.spelling_key = likeliest.spelling_key

)

select
    field,
    spelling,
    occurrences,
    first_seen,
    last_seen,
    amount_kes::numeric(16, 2) as amount_kes,
    suggested_value,
    round(similarity, 2)::numeric(3, 2) as similarity,
    -- The key needs no quotes. dbt reads a cell `null` as empty; the dot does not count.
    case
        when field <> 'plate' then
            case when spelling_key = 'null' then 'null.' else spelling_key end
            || ','
            || case
                when suggested_value ~ '[",]' then '"' || replace(suggested_value, '"', '""') || '"'
                else coalesce(suggested_value, '')
            end
    end as csv_line
from with_suggestions
order by amount_kes desc, occurrences desc, field asc, spelling asc
