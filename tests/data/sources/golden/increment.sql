SELECT * FROM `school`.`sales`.`grows` AS `t0` WHERE (`t0`.`at` >= TIMESTAMP('1970-01-01T00:00:04+00:00')) OR (`t0`.`at` IS NULL) ORDER BY `t0`.`id` ASC NULLS LAST
