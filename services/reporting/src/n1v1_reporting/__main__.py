from n1v1_reporting.main import main

main()
