Feature: From the front door to the seat

  Scenario: A fan buys two seats while another fan looks on
    Given a match is on sale
    And Jun is a visitor
    When Mina signs up
    And Mina logs in
    Then Mina is known as a fan
    When Mina chooses the match
    Then Mina sees "LG Twins" against "Doosan Bears" at "Test Ground", 25 seats, on sale
    When Mina walks through "Infield", "Home" to block "101"
    Then Mina sees 20 seats
    And Mina sees seat 3 in row "1", number 3, for 10,000 won
    When Mina watches block 1
    And Jun watches block 1
    And Mina holds seats 3 and 4
    Then Mina's hold costs 20,000 won and lasts 5 minutes
    And Mina's tickets will say "Infield Home 101, row 1, seat 3; Infield Home 101, row 1, seat 4"
    And Jun's map shows seats 3 and 4 as held
    When Mina reserves them
    Then Mina's reservation is pending
    And Jun's map shows seats 3 and 4 as reserved
    When Mina asks for a payment
    And Mina agrees on the gateway's page
    And Mina confirms the payment
    Then Mina's reservation is confirmed
    And Mina's reservation is in the books: confirmed, seats 3 and 4, 20,000 won
    And Mina's payment is paid
    And the gateway has charged 20,000 won, once
    And Jun's map shows seats 3 and 4 as sold
    And Mina's map shows seats 3 and 4 as sold
    And Mina finds 1 reservation in the list
