{#-
    A sub-select with the trigrams of a lower-case text, those that the extension pg_trgm would find: each word has two
    blanks before it and one behind. Plain SQL, since extensions may not be creatable where this runs. Arrays, for
    PostgreSQL expects ten elements of each; it expects a thousand of a set of rows, and with jit on it would compile
    v_unmapped_values for two seconds.
-#}
{% macro trigrams(value) -%}
    (
        select distinct substr('  ' || words.word || ' ', letters.place::integer, 3) as trigram
        from unnest(regexp_split_to_array({{ value }}, '[^[:alnum:]]+')) as words (word)
        cross join lateral unnest(string_to_array(words.word || ' ', null)) with ordinality as letters (letter, place)
        where words.word <> ''
    )
{%- endmacro %}
