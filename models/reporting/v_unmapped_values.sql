{{ config(materialized='stable_view', grants={'select': var('reader_roles')}) }}

{%- set lists = shown_alias_lists() %}

with unmapped_spellings as (

    {% for field in lists -%}
    select
        '{{ field }}' as field,
        spelling,
        spelling_key
    from ({{ unmapped_spellings(field) }}) as {{ field }}_spellings
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

aliases as materialized (

    {% for field in lists -%}
    select
        '{{ field }}' as field,
        {{ alias_key('alias') }} as alias_key,
        min({{ field }}) as canonical
    from {{ ref(field ~ '_aliases') }}
    group by 2
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
        'plate',
        car,
        {{ alias_key('car') }},
        count(*),
        min(filled_at),
        max(filled_at),
        coalesce(sum(amount_kes), 0)
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
    group by field, spelling_key, case when spelling_key is null then spelling end

),

-- A suggestion is worked out for a thousand spellings at most: nobody looks at more of them, and tens of thousands show
-- that another field's texts stand in this one.
candidates as materialized (

    select
        field,
        spelling_key
    from spellings_by_key
    where field <> 'plate' and spelling_key is not null
    order by amount_kes desc, occurrences desc, field asc, spelling_key asc
    limit 1000

),

candidate_trigrams as (

    select
        candidates.field,
        candidates.spelling_key,
        trigrams.trigram,
        count(*) over (partition by candidates.field, candidates.spelling_key) as trigrams_of_spelling
    from candidates
    cross join lateral {{ trigrams('candidates.spelling_key') }} as trigrams

),

alias_trigrams as (

    select
        aliases.field,
        aliases.alias_key,
        aliases.canonical,
        trigrams.trigram,
        count(*) over (partition by aliases.field, aliases.alias_key) as trigrams_of_alias
    from aliases
    cross join lateral {{ trigrams('aliases.alias_key') }} as trigrams

),

-- The share of common trigrams, or, where one slip of the finger lies between them (as for near misses of a fuel), the
-- share of letters it left alone. Two swapped letters in a short word spoil most of its trigrams: `slaes` and `sales`
-- have 0.2 of them in common.
similarities as (

    select
        candidate_trigrams.field,
        candidate_trigrams.spelling_key,
        alias_trigrams.canonical,
        greatest(
            count(*) / (trigrams_of_spelling + trigrams_of_alias - count(*))::numeric,
            case
                when
                    length(alias_key) >= 5
                    and abs(length(alias_key) - length(spelling_key)) <= 1
                    and {{ one_slip_apart('alias_key', 'spelling_key') }}
                    then 1 - 1 / length(alias_key)::numeric
            end
        ) as similarity
    from candidate_trigrams
    inner join alias_trigrams
        on
            candidate_trigrams.field = alias_trigrams.field
            and candidate_trigrams.trigram = alias_trigrams.trigram
    group by
        candidate_trigrams.field, candidate_trigrams.spelling_key, alias_trigrams.canonical,
        trigrams_of_spelling, trigrams_of_alias, alias_key

),

likeliest as (

    -- `sales dept` and `sales` have 0.55, `gear oil` and `gas oil` 0.42.
    select distinct on (field, spelling_key) *
    from similarities
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
