{{ config(materialized='view', grants={'select': var('reader_roles')}) }}

select id from {{ ref('records') }}
where deleted_at is null and absent_since is null
