SELECT * FROM `school`.`sales`.`rows` AS `t0` ORDER BY `t0`.`id` ASC NULLS LAST
