{#-
    A query with the likeness of spellings to aliases of the same field, from 0 to 1, for each pair that has a trigram in
    common. It is the share of common trigrams, or, where one slip of the finger lies between them, the share of letters
    that the slip left alone: `slaes` and `sales` have 0.2 of their trigrams in common.
-#}
{% macro similarities(spellings, aliases) -%}
    with candidate_trigrams as (

        select
            candidates.field,
            candidates.spelling_key,
            trigrams.trigram,
            count(*) over (partition by candidates.field, candidates.spelling_key) as trigrams_of_spelling
        from {{ spellings }} as candidates
        cross join lateral {{ trigrams('candidates.spelling_key') }} as trigrams

    ),

    alias_trigrams as (

        select
            aliases.field,
            aliases.alias_key,
            aliases.canonical,
            trigrams.trigram,
            count(*) over (partition by aliases.field, aliases.alias_key) as trigrams_of_alias
        from {{ aliases }} as aliases
        cross join lateral {{ trigrams('aliases.alias_key') }} as trigrams

    )

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
{%- endmacro %}
