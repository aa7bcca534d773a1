SELECT
  l.*,
  r.`plan` AS `plan`,
  r.`price` AS `plans_price`
FROM `rows` AS l
LEFT JOIN (
  SELECT
    `user`,
    `school`,
    `known_at`,
    `plan`,
    `price`,
    LEAD(`known_at`) OVER (PARTITION BY `user`, `school` ORDER BY `known_at` NULLS LAST) AS __cauce_until
  FROM (
    SELECT
      `user`,
      `school`,
      `known_at`,
      `plan`,
      `price`
    FROM `plans`
    WHERE
      NOT `known_at` IS NULL
    QUALIFY
      ROW_NUMBER() OVER (PARTITION BY `user`, `school`, `known_at` ORDER BY `__cauce_row` DESC) = 1
  ) AS told
) AS r
  ON l.`user` = r.`user`
  AND l.`school` = r.`school`
  AND r.`known_at` <= l.`enrolled_at`
  AND (
    r.__cauce_until IS NULL OR l.`enrolled_at` < r.__cauce_until
  )
  AND CAST(l.`enrolled_at` AS TIMESTAMP) <= CAST(r.`known_at` AS TIMESTAMP) + INTERVAL '2592000000000' MICROSECOND
