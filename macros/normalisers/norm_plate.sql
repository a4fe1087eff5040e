{#- A plate of the usual form, with or without blanks and dashes, needs one small regular expression; all else is
    looked at by plate_in_text. 200 characters are plenty for a plate and the words around it. -#}
{% macro norm_plate(value) -%}
    coalesce(
        substring(
            translate(upper(left({{ value }}, 200) collate "C"), ' -', '')
            from '^K(?!{{ words_like_a_series() }})[A-HJ-NP-Z][A-HJ-NP-Z][0-9][0-9][0-9][A-HJ-NP-Z]$'
        ),
        {{ plate_in_text('left(' ~ value ~ ', 200)') }}
    ) collate "default"
{%- endmacro %}


{#- Known forms are looked for in the text as a whole (`K C A 542 Q`), then among its words. Vehicles go before
    trailers (Z…); two different ones are no answer. Known forms hold O and I in digit positions only, where they
    can but mean 0 and 1. Without a known form, a short text that ends like a plate is kept (vanity plates).
    Money, distances and dates look like plates, too (`KES 500`, `NOV 25`). Letters of other scripts stay where they
    are, so that nothing is read across them: a plate without its Cyrillic letter is another vehicle's. A trailer
    is no answer beside other digits: they may be a foreign vehicle's. A plate without its last letter is none where the
    next word begins with a letter and a digit: that letter may be its own (`KCB 123 A45L`). Seven digits in a row are a phone number, a date
    or the like, but for those of a plate beside them: nothing is read across these either. `limit all` keeps each
    step computed once. -#}
{% macro plate_in_text(value) -%}
    (
        select
            case
                when count(found.plate) = 0
                    then
                        min(
                            case
                                when
                                    length(texts.compact) between 3 and 8
                                    and texts.compact ~ '^(?:[A-Z][A-Z0-9]*[0-9][A-Z]?|T[0-9]{3}[A-Z]{3})$'
                                    and texts.compact !~ '^(?:{{ words_before_a_number() }})+[0-9]+[A-Z]?$|^(?:{{ models_of_vehicles() }})$'
                                    and texts.compact !~ '[A-Z]K[A-HJ-NP-Z]{2}[0-9]{3}[A-HJ-NP-Z]$'
                                    then texts.compact
                            end
                        )
                when bool_or(found.is_torn) then null
                when min(found.vehicle) is not null
                    then case when min(found.vehicle) = max(found.vehicle) then min(found.vehicle) end
                when min(found.plate) = max(found.plate) then min(found.plate)
            end
        from (
            select
                words.spaced,
                replace(words.spaced, ' ', '') as compact
            from (
                select
                    case
                        when folded.spaced ~ '[0-9]( ?[0-9]){6}'
                            then btrim(regexp_replace(
                                folded.spaced,
                                e'\\m({{ known_plate_forms() }})\\M|[0-9](?: ?[0-9]){6,}(?![0-9]| ?(?:CD|UN|CG) ?[0-9OI])',
                                e'\\1 / ', 'g'
                            ), ' /')
                        else folded.spaced
                    end as spaced
                from (
                    select btrim(regexp_replace(upper({{ clean_text(value) }}), e'{{ punctuation_and_blanks() }}+', ' ', 'g')) as spaced
                    limit all
                ) as folded
                limit all
            ) as words
            limit all
        ) as texts
        left join lateral (
            select
                plates.plate,
                case when plates.plate not like 'Z%' then plates.plate end as vehicle,
                plates.is_torn
            from (
                select
                    translate(matches.match[1], 'OI ', '01') as plate,
                    matches.match[1] ~ '[0-9OI]$' and matches.match[2] is not null as is_torn,
                    replace(texts.compact, replace(matches.match[1], ' ', ''), '') as around
                from
                    regexp_matches(
                        case when texts.compact ~ '^(?:{{ known_plate_forms() }})$' then texts.compact else texts.spaced end,
                        e'\\m({{ known_plate_forms() }})(?:$| ([A-Z][0-9])?)', 'g'
                    ) as matches (match)
                where matches.match[1] ~ '[0-9]'
            ) as plates
            where
                plates.plate !~ '^K(?:{{ words_like_a_series() }})[0-9]+[A-Z]?$'
                and (plates.plate not like 'Z%' or plates.around !~ '[0-9]')
        ) as found on true
    )
{%- endmacro %}


{#- Vehicles (KXX 123X, the older KXX 123), motorcycles, three-wheelers and heavy machinery, government, diplomatic, county, trailers. -#}
{% macro known_plate_forms() -%}
    {%- set letter, digit = '[A-HJ-NP-Z]', '[0-9OI]' -%}
    K{{ letter }}{2} ?{{ digit }}{3} ?{{ letter }}?|K[HMT]{{ letter }}{2} ?{{ digit }}{3} ?{{ letter }}|GK ?{{ letter }}? ?{{ digit }}{3,4} ?{{ letter }}?|{{ digit }}{1,3} ?(?:CD|UN) ?{{ digit }}{1,4} ?K?|{{ digit }}{1,2} ?CG ?{{ digit }}{3} ?{{ letter }}?|Z{{ letter }} ?{{ digit }}{3,4} ?{{ letter }}?
{%- endmacro %}


{#- After the K: shillings, kilometres, kilograms, kilowatt hours. No plate of these series was ever given out. -#}
{% macro words_like_a_series() -%}
    ES|SH|MS|GS|WH
{%- endmacro %}


{#- Money, stations and pumps, fuels and what else is sold there, quantities, phones and offices, dates and times; in English,
    Swahili and Sheng. -#}
{% macro words_before_a_number() -%}
    {%- set words = [
        'K(?:ES|SHS?|MS?|GS?|WH)', 'SHS?', 'BOB', 'USD', 'CASH', 'PAID', 'PAY', 'PAYBILL', 'MPESA', 'PESA', 'AIRTEL', 'AMO?U?N?T', 'TOTAL',
        'SUM', 'COST', 'PRICE', 'RATE', 'BAL(?:ANCE)?', 'CARD', 'VISA', 'DEBIT', 'CREDIT', 'DEBT', 'RECEIPT', 'RCPT', 'INV(?:OICE)?',
        'REF', 'CODE', 'TXN', 'TRANS', 'VOUCHER', 'LPO', 'ORDER', 'TILL', 'PUMP', 'NOZZLE', 'BAY', 'STATION', 'SHELL', 'RUBIS',
        'OLA', 'KOBIL', 'ENGEN', 'HASS', 'ASTROL', 'OILIBYA', 'GALANA', 'LEXO', 'BE', 'L(?:T?R?S?|IT(?:RE|ER)S?|ITA)', 'QTY', 'FUEL',
        'DIESEL', 'DSL', 'PETROL', 'SUPER', 'UNLEADED', 'PREMIUM', 'VPOWER', 'AGO', 'PMS', 'ULP', 'KERO(?:SENE)?', 'GAS', 'LPG',
        'ADBLUE', 'DEF', 'OIL', 'UREA', 'WASH', 'TYRES?', 'PARKING', 'TOLL', 'FULL', 'HALF', 'TANK', 'FILL', 'REFILL', 'TOPUP', 'CAN',
        'JERRYCAN', 'DRUM', 'ODO(?:METER)?', 'MILEAGE', 'METER', 'READING', 'KILO', 'NO', 'NUMBER', 'NUM', 'TEL', 'EXT', 'PHONE',
        'CELL', 'MOB(?:ILE)?', 'CALL', 'ID', 'PIN', 'OTP', 'ROOM', 'FLOOR', 'GATE', 'BLOCK', 'PLOT', 'ROAD', 'RD', 'ROUTE', 'STAGE',
        'ZONE', 'DAY', 'WEEK', 'TRIP', 'SHIFT', 'DATE', 'TIME', 'AT', 'A[MT]', 'PM', 'N(?:A|IL|ONE)', 'MON', 'TUES?', 'WED', 'THU(?:RS)?', 'FRI', 'SAT', 'SUN',
        'JAN', 'FEB', 'MAR(?:CH)?', 'APR(?:IL)?', 'MAY', 'JUNE?', 'JULY?', 'AUG(?:UST)?', 'SEPT?', 'OCT', 'NOV', 'DEC',
        'LITA', 'MAFUTA', 'TAA', 'SIMU', 'NAMBA', 'DENI', 'JUMLA', 'MALIPO', 'RISITI', 'LEO', 'JANA', 'TAREHE', 'SAA', 'STIMA', 'UMEME',
        'GANJI', 'DOO', 'MUNDE', 'CHAPAA', 'NGIRI', 'THAO', 'SOO',
    ] -%}
    {{- words | join('|') -}}
{%- endmacro %}


{#- Models that people name in place of a plate, where the whole text is that. -#}
{% macro models_of_vehicles() -%}
    RAV4|L[23]00|N[PV][23][05]0|CX[3-9]|LC?(?:7[0-9]|80|1[05]0|[23]00)|HZJ7[0-9]|D(?:22|40)|(?:N[KPQ]R|F[RSV]R|FVZ|FTR)[0-9]{2,3}|HINO[0-9]{3}|CANTER[0-9]+|X[1-7]|Q[3-8]|H100|K2[57]00
{%- endmacro %}
