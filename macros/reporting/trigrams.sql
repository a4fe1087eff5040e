{#-
    A sub-select with the trigrams of a lower-case text, those that the extension pg_trgm would find: each word has two
    blanks before it and one behind. Plain SQL, since extensions may not be creatable where this runs.
-#}
{% macro trigrams(value) -%}
    (
        select distinct substr('  ' || words.word || ' ', places.place, 3) as trigram
        from regexp_split_to_table({{ value }}, '[^[:alnum:]]+') as words (word)
        cross join lateral generate_series(1, length(words.word) + 1) as places (place)
        where words.word <> ''
    )
{%- endmacro %}
