{#- One expression without sub-select, so that fuel.alias_key inlines and can be indexed. Upper before lower: it
    maps letters that only differ before upper-casing (dotless i, final sigma) to one. Composed once more, since
    lower makes a plain i, which an accent after it can join, of the dotted capital one. -#}
{% macro alias_key(value) -%}
    nullif(
        btrim(
            regexp_replace(
                normalize(
                    lower(upper(left({{ clean_text('left(' ~ value ~ ', 500)') }}, 500) collate "default")), nfkc
                ) collate "C",
                e'{{ punctuation_and_blanks() }}+', ' ', 'g'
            )
        ),
        ''
    ) collate "default"
{%- endmacro %}


{% macro punctuation_and_blanks() -%}
    [\\u0001-/:-@\\u005B-`{-\\u00A9\\u00AB-\\u00B4\\u00B6-\\u00B9\\u00BB-\\u00BF\\u00D7\\u00F7\\u02C2-\\u02DF\\u1680\\u2000-\\u206F\\u20A0-\\u20CF\\u2190-\\u2BFF\\u2E00-\\u2E7F\\u3000-\\u303F\\uFE10-\\uFE6F\\uFFF9-\\uFFFD\\U0001F000-\\U0001FAFF]
{%- endmacro %}
