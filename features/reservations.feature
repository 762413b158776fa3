Feature: Reservations

  Rule: Held seats can be reserved by the person who holds them

    Background:
      Given a match is on sale
      And Mina and Jun are logged in
      And Mina holds seats 3 and 4

    Scenario: The time to pay begins
      When Mina reserves them
      Then Mina's reservation is pending
      And Mina's reservation has seats 3 and 4 for 20,000 won
      And seats 3 and 4 are reserved on the map
      And Mina finds 1 reservation in the list

    Scenario: A part of the held seats
      When Mina reserves only seat 3
      Then Mina's reservation has seat 3 for 10,000 won
      And seat 3 is reserved on the map
      And seat 4 is held on the map

    Scenario: The rest of the held seats
      When Mina reserves only seat 3
      And Mina reserves them
      Then Mina's reservation has seat 4 for 10,000 won
      And Mina finds 2 reservations in the list

    Scenario: Someone else's hold
      When Jun tries to reserve what Mina holds
      Then Jun is refused because these are not his seats

    Scenario: Someone else's seats
      When Jun tries to reserve seats 3 and 4
      Then Jun is refused because these are not his seats

    Scenario: The same hold twice
      Given Mina reserves them
      When Mina tries to reserve them again
      Then Mina is refused because the seats are already reserved

    Scenario: A repeated call has its effect once
      When Mina reserves them twice under the key "reserve-1"
      Then Mina finds 1 reservation in the list

  Rule: Only the owner of a reservation can see and cancel it

    Background:
      Given a match is on sale
      And Mina and Jun are logged in
      And Mina has reserved seat 3

    Scenario: Nobody else sees it
      When Jun tries to look at the reservation of Mina
      Then Jun is refused because he has no such reservation
      And Jun finds 0 reservations in the list

    Scenario: Nobody else cancels it
      When Jun tries to cancel the reservation of Mina
      Then Jun is refused because he has no such reservation
      And Mina's reservation is pending

  Rule: A reservation that is not paid in time is over

    Background:
      Given a reservation lasts 1.5 seconds
      And a match is on sale
      And Mina and Jun are logged in
      And Mina has reserved seats 3 and 4

    Scenario: The seats are free again
      When the time of Mina's reservation is over
      Then seats 3 and 4 are free on the map
      When Jun holds seats 3 and 4
      Then seats 3 and 4 are held on the map

    Scenario: A buyer who pays too late is charged nothing
      Given Mina asks for a payment
      And Mina agrees on the gateway's page
      When the time of Mina's reservation is over
      Then seats 3 and 4 are free on the map
      When Mina tries to confirm the payment
      Then Mina is refused because the time to pay is over
      And the gateway has charged nothing
      And Mina's reservation is not in the books

  Rule: A reservation can be cancelled

    Background:
      Given a match is on sale
      And Mina and Jun are logged in

    Scenario: Before it is paid
      Given Mina has reserved seats 3 and 4
      When Mina cancels the reservation
      Then seats 3 and 4 are free on the map
      When Mina tries to ask for a payment by card
      Then Mina is refused because the reservation is not waiting for a payment

    Scenario: After it is paid, the money comes back
      Given Mina has bought seats 3 and 4
      And Jun watches block 1
      And Jun's map shows seats 3 and 4 as sold
      When Mina cancels the reservation
      Then the gateway has given 20,000 won back, once
      And Jun's map shows seats 3 and 4 as free
      And Mina's reservation is cancelled
      And Mina's reservation is in the books: cancelled, seats 3 and 4, 20,000 won
      And Mina's payment is refunded

    Scenario: One seat of two, with its money
      Given Mina has bought seats 3 and 4
      When Mina cancels seat 4 of the reservation
      Then seat 4 is free on the map
      And seat 3 is sold on the map
      And Mina's reservation is in the books: confirmed, seat 3, 10,000 won
      And the gateway has given 10,000 won of 20,000 won back
      When Jun holds seat 4
      And Mina cancels seat 4 of the reservation
      Then the gateway has given 10,000 won of 20,000 won back

    Scenario: A cancellation with a fee, which is shown before
      Given Ada is the administrator
      And Ada keeps 10 percent and 500 won for each seat that is given back
      And Mina has bought seats 3 and 4
      Then Mina sees that a cancellation costs 3,000 won and gives 17,000 won back
      When Mina cancels seat 4 of the reservation
      And Mina cancels the reservation
      Then the gateway still has 3,000 won
      And Mina's payment is refunded

    Scenario: A buyer who cancels too late asks the organiser
      Given Ada is the administrator
      And Ada lets nobody give tickets back any more
      And Mina has bought seats 3 and 4
      When Mina tries to cancel the reservation
      Then Mina is refused because tickets cannot be given back any more
      When Ada gives the money of Mina back
      Then the gateway has given 20,000 won back, once
      And Mina's reservation is cancelled

    Scenario: A seat that is not in the reservation
      Given Mina has bought seats 3 and 4
      When Mina tries to cancel seat 5 of the reservation
      Then Mina is refused because these are not her seats
      And the gateway has charged 20,000 won, once

    Scenario: A part of an unpaid reservation
      Given Mina has reserved seats 3 and 4
      When Mina tries to cancel seat 4 of the reservation
      Then Mina is refused because the reservation cannot be cancelled like this
      And Mina's reservation is pending

    Scenario: The seats of a cancelled reservation are sold again
      Given Mina has bought seats 3 and 4
      And Mina cancels the reservation
      When Jun holds seats 3 and 4
      And Jun reserves them
      And Jun pays for them
      Then seats 3 and 4 are sold on the map
      And Jun's reservation is in the books: confirmed, seats 3 and 4, 20,000 won

    Scenario: The money comes back once, however often the buyer cancels
      Given Mina has bought seats 3 and 4
      When Mina cancels the reservation
      And Mina cancels the reservation
      Then the gateway has given 20,000 won back, once
