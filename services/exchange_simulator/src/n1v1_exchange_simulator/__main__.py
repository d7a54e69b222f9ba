from n1v1_exchange_simulator.main import main

main()
