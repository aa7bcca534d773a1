SELECT * FROM `school`.`sales`.`rows`
