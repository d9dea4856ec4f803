"""What spark-submit is given: the job as ``sofetch-spark`` runs it. sofetch is installed where driver and tasks run."""

from sofetch.spark.command import main

main()
