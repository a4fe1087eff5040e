{#- Blanks folded and trimmed, each word with one capital. Small letters first, and composed: the plain i of a
    dotted capital one and the accent after it would pass for two words. A to Z are the same in every locale. -#}
{% macro tidy_text(value) -%}
    {%- set folded -%}
        btrim(
            regexp_replace(
                left({{ clean_text('left(' ~ value ~ ', 500)') }}, 500), e'[\\s\\u0085\\u1680\\u2028\\u2029]+', ' ', 'g'
            )
        )
    {%- endset -%}
    case
        when octet_length({{ value }}) = length({{ value }}) then initcap(lower({{ folded }})) collate "default"
        else
            normalize(
                initcap(normalize(lower({{ small_letters_from_a_to_z(folded) }} collate "default"), nfkc)), nfkc
            )
    end
{%- endmacro %}
