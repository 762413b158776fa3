Feature: Payments

  Rule: A confirmed payment is a sale

    Background:
      Given a match is on sale
      And Mina and Jun are logged in
      And Mina has reserved seats 3 and 21
      And Mina asks for a payment
      And Mina agrees on the gateway's page

    Scenario: The sale is in the books before the buyer hears of it
      When Mina confirms the payment
      Then Mina's reservation is in the books: confirmed, seats 3 and 21, 30,000 won
      And the gateway has charged 30,000 won, once
      And seats 3 and 21 are sold on the map

    Scenario: A second confirmation changes nothing
      When Mina confirms the payment
      And Mina confirms the payment again
      Then Mina got the same response each time
      And the gateway has charged 30,000 won, once

    Scenario: Twenty confirmations at once
      When Mina confirms the payment 20 times at once
      Then Mina got the same response each time
      And the gateway has charged 30,000 won, once

    Scenario: Two windows pay for the same reservation
      When Mina agrees in two windows and confirms both at once
      Then exactly one of them succeeds, and the others are refused because the reservation is not waiting for a payment
      And the gateway has charged 30,000 won, once

    Scenario: Someone else confirms
      When Jun tries to confirm the payment of Mina
      Then Jun is refused because he has no such payment
      And the gateway has charged nothing

    Scenario: Someone else looks
      When Jun tries to look at the payment of Mina
      Then Jun is refused because he has no such payment

    Scenario: Someone else asks for a payment
      When Jun tries to ask for a payment for the reservation of Mina by card
      Then Jun is refused because he has no such reservation

    Scenario: A way to pay that does not exist
      When Mina tries to ask for a payment by cash
      Then Mina is refused because a field is wrong

    Scenario: A paid reservation cannot be paid again
      Given Mina confirms the payment
      When Mina tries to ask for a payment by card
      Then Mina is refused because the reservation is not waiting for a payment

  Rule: The buyer pays the price of the reservation

    Background:
      Given a match is on sale
      And Mina and Jun are logged in
      And Mina has reserved seats 3 and 4
      And Mina asks for a payment
      And Mina agrees on the gateway's page

    Scenario: An amount that was tampered with
      When Mina tries to confirm the payment with an amount of 100 won
      Then Mina is refused because the order or the amount is wrong
      And the gateway has charged nothing
      And seats 3 and 4 are reserved on the map
      When Mina confirms the payment
      Then the gateway has charged 20,000 won, once

    Scenario: The order of another payment
      Given Jun has reserved seat 5
      And Jun asks for a payment
      When Mina tries to confirm the payment under the order of Jun
      Then Mina is refused because the order or the amount is wrong
      And the gateway has charged nothing

  Rule: A declined card does not cost the buyer the seats

    Background:
      Given a match is on sale
      And Mina and Jun are logged in
      And Mina has reserved seats 3 and 4
      And Mina asks for a payment
      And Mina agrees with a card that will be declined

    Scenario: The seats stay hers until the deadline, and another card buys them
      When Mina tries to confirm the payment
      Then Mina is told that the card company declined
      And the gateway has charged nothing
      And Mina's reservation is pending
      When Jun tries to hold seats 3 and 4
      Then Jun is refused because a seat is taken
      When Mina asks for a payment
      And Mina agrees on the gateway's page
      And Mina confirms the payment
      Then Mina's reservation is in the books: confirmed, seats 3 and 4, 20,000 won
      And the gateway has charged 20,000 won, once

    Scenario: A declined payment cannot be confirmed again
      When Mina tries to confirm the payment
      And Mina tries to confirm the payment
      Then Mina is refused because the reservation is not waiting for a payment
      And the gateway has charged nothing

  Rule: An unknown outcome is not a failure

    Background:
      Given the node soon asks the gateway for unknown outcomes
      And a match is on sale
      And Mina and Jun are logged in
      And Mina has reserved seats 3 and 4
      And Mina asks for a payment
      And Mina agrees on the gateway's page

    Scenario: The gateway has charged, and its response was lost
      Given the connection breaks after the gateway has charged
      When Mina tries to confirm the payment
      Then Mina is told that the outcome is not known yet
      And Mina's reservation becomes confirmed
      And the gateway has charged 20,000 won, once
      And seats 3 and 4 are sold on the map

    Scenario: The request was lost before the gateway charged
      Given the connection breaks before the gateway can charge
      When Mina tries to confirm the payment
      Then Mina is told that the outcome is not known yet
      And Mina's reservation becomes confirmed
      And the gateway has charged 20,000 won, once

    Scenario: Nobody else gets the seats while the outcome is unknown
      Given the connection breaks after the gateway has charged
      When Mina tries to confirm the payment
      And Jun tries to hold seats 3 and 4
      Then Jun is refused because a seat is taken

  Rule: A message of the gateway is a hint, not a proof

    Background:
      Given a match is on sale
      And Mina is logged in
      And Mina has reserved seats 3 and 4
      And Mina asks for a payment
      And Mina agrees on the gateway's page

    Scenario: Anybody can send a message
      When a message says that Mina has paid
      Then Mina's reservation is pending
      And the gateway has charged nothing

    Scenario: A true message settles an unknown outcome within seconds
      Given the connection breaks after the gateway has charged
      When Mina tries to confirm the payment
      Then Mina is told that the outcome is not known yet
      When Mina tries to cancel the reservation
      Then Mina is refused because the reservation cannot be cancelled like this
      When a message says that Mina has paid
      Then Mina's reservation becomes confirmed
      And seats 3 and 4 are sold on the map
