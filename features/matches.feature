Feature: Matches

  Rule: Fans find every match, and see which ones are on sale

    Background:
      Given these matches:
        | home     | starts               | status    |
        | Late     | 2030-07-01T05:00:00Z | on sale   |
        | Early    | 2030-05-01T05:00:00Z | on sale   |
        | Past     | 2030-04-01T05:00:00Z | closed    |
        | Soon     | 2030-06-01T05:00:00Z | announced |
        | Unknown  | 2030-05-15T05:00:00Z | draft     |
      And Jun is a visitor

    Scenario: All of them but the drafts, the soonest first
      When Jun looks at the list of matches
      Then Jun sees these home teams, in this order:
        | Past  |
        | Early |
        | Soon  |
        | Late  |

    Scenario: Only those on sale
      When Jun looks at the matches that are on sale
      Then Jun sees these home teams, in this order:
        | Early |
        | Late  |

    Scenario: Only those that will be on sale
      When Jun looks at the matches that are announced
      Then Jun sees these home teams, in this order:
        | Soon |

    Scenario: Only an administrator finds the drafts
      Given Ada is the administrator
      When Jun looks at the matches that are a draft
      Then Jun sees no match
      When Ada looks at the matches that are a draft
      Then Ada sees these home teams, in this order:
        | Unknown |

    Scenario: Page by page
      When Jun leafs through the list of matches, 2 on a page
      Then Jun sees these home teams, in this order:
        | Past  |
        | Early |
        | Soon  |
        | Late  |

  Rule: A match says what a fan wants to know

    Scenario: One match
      Given a match is on sale
      And Jun is a visitor
      When Jun looks at the match
      Then Jun sees "LG Twins" against "Doosan Bears" at "Test Ground", 25 seats, on sale

    Scenario: How many seats are left, and how many a fan may have
      Given a match is on sale
      And Mina is logged in
      When Mina holds seats 3 and 4
      Then the list of matches says within seconds that 23 seats are left
      And a person may have 4 seats of the match, and hold them for 5 minutes

    Scenario: A draft does not say how many seats are left
      Given a match is still a draft
      Then the match does not say how many seats are left

    Scenario: A match that does not exist
      Then nobody finds a match that does not exist

  Rule: Seats are held only while the match is on sale

    Scenario: A draft does not exist for a fan
      Given a match is still a draft
      And Mina is logged in
      When Mina tries to look at the match
      Then Mina is refused because there is no such match
      When Mina tries to hold seat 1
      Then Mina is refused because there is no such match

    Scenario: An announced match is not on sale yet
      Given a match is still a draft
      And Ada is the administrator
      And Mina is logged in
      When Ada lets the sale open by itself at "2030-05-01T02:00:00Z"
      And Ada announces the match
      And Mina looks at the match
      Then Mina sees "LG Twins" against "Doosan Bears" at "Test Ground", 25 seats, announced
      When Mina tries to hold seat 1
      Then Mina is refused because the match is not on sale
      And Mina is told that the sale opens at "2030-05-01T02:00:00Z"
      When Ada opens the sale
      And Mina holds seat 1
      Then seat 1 is held on the map

    Scenario: A sale opens and ends by itself
      Given a match is still a draft
      And Ada is the administrator
      And Mina is logged in
      When Ada announces the match
      And Ada lets the sale open by itself in a moment
      Then the match is soon on sale
      When Mina holds seat 1
      And Ada lets the sale end by itself in a moment
      Then the match is soon closed
      When Mina tries to hold seat 2
      Then Mina is refused because the match is not on sale

    Scenario: A closed match takes no new buyers
      Given a match is on sale
      And Ada is the administrator
      And Mina is logged in
      When Ada closes the sale
      Then the match is closed
      When Mina tries to hold seat 1
      Then Mina is refused because the match is not on sale

    Scenario: Seats that are only held come back when the sale closes
      Given a match is on sale
      And Ada is the administrator
      And Mina is logged in
      And Mina holds seat 1
      When Ada closes the sale
      And Mina tries to reserve them
      Then Mina is refused because the match is not on sale
      And seat 1 is free on the map

    Scenario: Seats that were reserved before the sale closed can still be bought
      Given a match is on sale
      And Ada is the administrator
      And Mina is logged in
      And Mina holds seat 1
      And Mina reserves them
      When Ada closes the sale
      And Mina pays for them
      Then seat 1 is sold on the map
      And Mina's reservation is in the books: confirmed, seat 1, 10,000 won
