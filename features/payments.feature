Feature: Payments

  Rule: A confirmed payment is a sale

    Background:
      Given a match is on sale
      And Mina and Jun are logged in
      And Mina has reserved seats 3 and 21
      And Mina asks for a payment
      And Mina agrees on the gateway's page

    Scenario: The sale is in the books when the buyer hears of it
      When Mina confirms the payment
      Then Mina's reservation is in the books: CONFIRMED, seats 3 and 21, 30,000 won
      And the gateway has charged 30,000 won, once
      And seats 3 and 21 are OCCUPIED on the map

    Scenario: A second confirmation changes nothing
      When Mina confirms the payment
      And Mina confirms the payment again
      Then Mina got the same answer each time
      And the gateway has charged 30,000 won, once

    Scenario: Twenty confirmations at once
      When Mina confirms the payment 20 times at once
      Then Mina got the same answer each time
      And the gateway has charged 30,000 won, once

    Scenario: Two windows pay for the same reservation
      When Mina agrees in two windows and confirms both at once
      Then exactly one of them succeeds, and the others are refused with RESERVATION_NOT_PENDING
      And the gateway has charged 30,000 won, once

    Scenario: Someone else confirms
      When Jun tries to confirm the payment of Mina
      Then Jun is refused with PAYMENT_NOT_FOUND
      And the gateway has charged nothing

    Scenario: Someone else looks
      When Jun tries to look at the payment of Mina
      Then Jun is refused with PAYMENT_NOT_FOUND

    Scenario: Someone else asks for a payment
      When Jun tries to ask for a payment for the reservation of Mina by CARD
      Then Jun is refused with RESERVATION_NOT_FOUND

    Scenario: A way to pay that does not exist
      When Mina tries to ask for a payment by CASH
      Then Mina is refused with VALIDATION

    Scenario: What is paid can't be paid again
      Given Mina confirms the payment
      When Mina tries to ask for a payment by CARD
      Then Mina is refused with RESERVATION_NOT_PENDING

  Rule: The price is the one that was told

    Background:
      Given a match is on sale
      And Mina and Jun are logged in
      And Mina has reserved seats 3 and 4
      And Mina asks for a payment
      And Mina agrees on the gateway's page

    Scenario: An amount that was tampered with
      When Mina tries to confirm the payment with an amount of 100 won
      Then Mina is refused with AMOUNT_MISMATCH
      And the gateway has charged nothing
      And seats 3 and 4 are PENDING on the map
      When Mina confirms the payment
      Then the gateway has charged 20,000 won, once

    Scenario: The order of another payment
      Given Jun has reserved seat 5
      And Jun asks for a payment
      When Mina tries to confirm the payment under the order of Jun
      Then Mina is refused with AMOUNT_MISMATCH
      And the gateway has charged nothing

  Rule: A declined card costs nobody the seats

    Background:
      Given a match is on sale
      And Mina and Jun are logged in
      And Mina has reserved seats 3 and 4
      And Mina asks for a payment
      And Mina agrees with a card that will be declined

    Scenario: The seats stay hers while time remains, and another card buys them
      When Mina tries to confirm the payment
      Then Mina is told that the card company said REJECT_CARD_COMPANY
      And the gateway has charged nothing
      And Mina's reservation is PENDING
      When Jun tries to hold seats 3 and 4
      Then Jun is refused with SEAT_TAKEN
      When Mina asks for a payment
      And Mina agrees on the gateway's page
      And Mina confirms the payment
      Then Mina's reservation is in the books: CONFIRMED, seats 3 and 4, 20,000 won
      And the gateway has charged 20,000 won, once

    Scenario: A declined payment can't be confirmed again
      When Mina tries to confirm the payment
      And Mina tries to confirm the payment
      Then Mina is refused with RESERVATION_NOT_PENDING
      And the gateway has charged nothing

  Rule: An outcome that nobody knows is no failure

    Background:
      Given the outcome of a payment is asked for soon
      And a match is on sale
      And Mina and Jun are logged in
      And Mina has reserved seats 3 and 4
      And Mina asks for a payment
      And Mina agrees on the gateway's page

    Scenario: Charged, and the answer was lost
      Given the line breaks after the gateway has charged
      When Mina tries to confirm the payment
      Then Mina is told that the outcome is not known yet
      And Mina's reservation becomes CONFIRMED
      And the gateway has charged 20,000 won, once
      And seats 3 and 4 are OCCUPIED on the map

    Scenario: Not charged, and nobody could know
      Given the line breaks before the gateway can charge
      When Mina tries to confirm the payment
      Then Mina is told that the outcome is not known yet
      And Mina's reservation becomes CONFIRMED
      And the gateway has charged 20,000 won, once

    Scenario: Meanwhile the seats can't be had and the reservation can't be cancelled
      Given the line breaks after the gateway has charged
      When Mina tries to confirm the payment
      And Jun tries to hold seats 3 and 4
      Then Jun is refused with SEAT_TAKEN

  Rule: A message of the gateway is a hint and no proof

    Background:
      Given a match is on sale
      And Mina is logged in
      And Mina has reserved seats 3 and 4
      And Mina asks for a payment
      And Mina agrees on the gateway's page

    Scenario: Anybody can send a message
      When a message says that Mina has paid
      Then Mina's reservation is PENDING
      And the gateway has charged nothing

    Scenario: A true message settles an unknown outcome within seconds
      Given the line breaks after the gateway has charged
      When Mina tries to confirm the payment
      Then Mina is told that the outcome is not known yet
      When Mina tries to cancel the reservation
      Then Mina is refused with NOT_CANCELLABLE
      When a message says that Mina has paid
      Then Mina's reservation becomes CONFIRMED
      And seats 3 and 4 are OCCUPIED on the map
