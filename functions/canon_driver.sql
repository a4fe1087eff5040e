select {{ canonical_value('driver', 'raw_value', ref('driver_aliases')) }}
