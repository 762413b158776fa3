Feature: Ticket types

  Rule: A seat costs what the price list said when it was held

    Background:
      Given a match is on sale
      And Mina is logged in
      And Ada is the administrator
      And Ada sells seats for 12,000 won to adults and for 5,000 won to children

    Scenario: A mother and her child
      When Mina holds seat 3 for an adult and seat 4 for a child
      Then Mina's hold costs 17,000 won and lasts 5 minutes
      When Mina reserves them
      And Mina asks for a payment
      And Mina agrees on the gateway's page
      And Mina confirms the payment
      Then Mina's reservation is in the books: confirmed, seats 3 and 4, 17,000 won
      When Mina cancels seat 4 of the reservation
      Then Mina's reservation has seat 3 for 12,000 won
      And the gateway has given 5,000 won of 17,000 won back

    Scenario: The prices rise while she makes up her mind
      Given Mina holds seat 3 for an adult and seat 4 for a child
      When Ada sells seats for 20,000 won to adults and for 9,000 won to children
      And Mina reserves them
      Then Mina's reservation has seats 3 and 4 for 17,000 won

    Scenario: More children than one hold may have
      When Mina tries to hold seats 3, 4 and 5 for children
      Then Mina is refused because one hold may not have so many seats of the type
      And seats 3, 4 and 5 are free on the map
