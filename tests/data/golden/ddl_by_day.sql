-- Column a.b `c` is called a_b _c_: BigQuery takes no such name.
-- city partitions the table in Cauce; in BigQuery it clusters: a STRING cannot partition.
CREATE TABLE IF NOT EXISTS `rows` (
  `id` INT64,
  `city` STRING,
  `year` INT64,
  `day` DATE,
  `at` TIMESTAMP,
  `price` NUMERIC(12, 2),
  `exact` BIGNUMERIC(38, 20),
  `score` FLOAT64,
  `yes` BOOL,
  `año nuevo` STRING,
  `a_b _c_` STRING OPTIONS(description="a.b `c` in rows"),
  `select` STRING
)
PARTITION BY `day`
CLUSTER BY `city`;
