{#- One expression without sub-select, so that fuel.alias_key inlines and can be indexed. Upper before lower: it
    maps letters that only differ before upper-casing (final sigma) to one. Composed once more, since an accent can join the
    plain i that is made of the dotted capital one. A to Z become small by themselves, and either i of Turkish is an i: in a
    Turkish database `ICT` would else be no `ict`. -#}
{% macro alias_key(value) -%}
    nullif(
        btrim(
            regexp_replace(
                normalize(
                    lower(upper({{ small_letters_from_a_to_z('left(' ~ clean_text('left(' ~ value ~ ', 500)') ~ ', 500)') }} collate "default")), nfkc
                ) collate "C",
                e'{{ punctuation_and_blanks() }}+', ' ', 'g'
            )
        ),
        ''
    ) collate "default"
{%- endmacro %}


{#- In collation "C" only A to Z have small letters. -#}
{% macro small_letters_from_a_to_z(value) -%}
    translate(lower({{ value }} collate "C"), 'İı', 'ii')
{%- endmacro %}


{#-
    Post-hook of a seed: its rows are found by the alias_key of `column` without working out the keys of all. By hash,
    for a key of odd letters may be longer than what a btree holds. An index on an older alias_key stays, unused: to
    drop it, readers would have to wait.
-#}
{% macro index_by_alias_key(column) -%}
    {%- set key = alias_key(adapter.quote(column)) -%}
    create index if not exists {{ adapter.quote(this.identifier ~ '_' ~ column ~ '_' ~ local_md5(key)[:8]) }}
    on {{ this }} using hash (({{ key }}))
{%- endmacro %}


{% macro punctuation_and_blanks() -%}
    [\\u0001-/:-@\\u005B-`{-\\u00A9\\u00AB-\\u00B4\\u00B6-\\u00B9\\u00BB-\\u00BF\\u00D7\\u00F7\\u02C2-\\u02DF\\u1680\\u2000-\\u206F\\u20A0-\\u20CF\\u2190-\\u2BFF\\u2E00-\\u2E7F\\u3000-\\u303F\\uFE10-\\uFE6F\\uFFF9-\\uFFFD\\U0001F000-\\U0001FAFF]
{%- endmacro %}
