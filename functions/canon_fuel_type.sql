select {{ canonical_value('fuel_type', 'raw_value', ref('fuel_type_aliases')) }}
